// What is told at the edge of the page, and the list of what happened.
import {icon} from "./icons.js";
import {byID, make, renderList} from "./elements.js";
import {language, text, time} from "./language.js";
import {on} from "./signals.js";

const LOG_ENTRIES_MAX = 200;
const TOASTS_MAX = 5;
const TOAST_MS = 12000;
const log = [];
let lastNumber = 0;

// - Parameter stays: until somebody closes it, as errors do.
export function toast(title, message, tone, stays = tone === "bad") {
  const node = make("div", {className: "toast", data: {tone}},
    icon({bad: "bad", wait: "warn", ok: "ok"}[tone] ?? "info"), make("p", {}, title),
    make("button", {type: "button", className: "quiet", "aria-label": text("dismiss"), onclick: () => node.remove()}, icon("close")),
    make("p", {}, message ?? ""));
  const toasts = byID("toasts");
  toasts.append(node);
  while (toasts.children.length > TOASTS_MAX) toasts.firstChild.remove();
  if (!stays) setTimeout(() => node.remove(), TOAST_MS);
}

// - Parameter words: tells the entry in the reader's language, whenever it is drawn.
export function note(words, tone) {
  lastNumber += 1;
  log.unshift({number: lastNumber, at: new Date(), words, tone});
  log.length = Math.min(log.length, LOG_ENTRIES_MAX);
}

function render() {
  renderList(byID("log"), log, (entry) => [String(entry.number), language() + entry.number + entry.words()], (entry) =>
    make("li", {}, make("time", {datetime: entry.at.toISOString()}, time(entry.at, true)), make("span", {data: {tone: entry.tone}}, entry.words())));
  byID("log-empty").hidden = log.length > 0;
}

on("render", render);
