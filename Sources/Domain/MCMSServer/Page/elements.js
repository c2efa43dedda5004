// Elements of the page. Data goes into them only as text.
import {icon} from "./icons.js";

export const byID = (id) => document.getElementById(id);

export const TONES = {
  draft: "idle", pendingApproval: "wait", approved: "ok", rejected: "bad",
  none: "none", queued: "wait", running: "run", completed: "ok", failed: "bad", created: "wait", leased: "run",
};

export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "data") Object.assign(node.dataset, value);
    else if (name.startsWith("aria-") || name === "datetime") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export const badge = (word, tone, title) => make("span", {className: "badge", data: {tone}, title}, icon(tone), word);

// Puts one element per item into the parent, and leaves those alone that didn't change, so that focus stays where it is.
export function renderList(parent, items, signature, build) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  const focused = document.activeElement?.dataset?.action;
  const nodes = items.map((item) => {
    const [key, sign] = signature(item);
    const had = old.get(key);
    if (had?.dataset.sign === sign) return had;
    const node = build(item);
    node.dataset.key = key;
    node.dataset.sign = sign;
    if (had?.contains(document.activeElement)) queueMicrotask(() => (node.querySelector(`[data-action="${focused}"]`) ?? node.querySelector("button"))?.focus());
    return node;
  });
  nodes.forEach((node, index) => { if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null); });
  while (parent.children.length > nodes.length) parent.lastChild.remove();
}
