// The addresses of the page: `#/`, `#/routings?search=…&status=…`, `#/routings/ID`, `#/people`. What they show is a section with `data-view`.
import {byID} from "./elements.js";
import {text} from "./language.js";
import {may, session} from "./session.js";
import {emit, on} from "./signals.js";

const VIEWS = {
  routings: {permission: "readRoutings", title: "routings"},
  routing: {permission: "readRoutings", title: "routings", of: "routings"},
  activity: {permission: "readRoutings", title: "activity"},
  people: {permission: "managePeople", title: "people"},
};

let current = parse();
export const route = () => current;

function parse() {
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
  const [first, ...rest] = path.split("/").filter(Boolean);
  const query = new URLSearchParams(search ?? "");
  let id = null;
  try { id = rest.length ? decodeURIComponent(rest.join("/")) : null; } catch { /* not one of this page's addresses */ }
  if (!first || location.hash.startsWith("#link=")) return {view: "routings", id: null, query};
  if (first === "routings" && id) return {view: "routing", id, query};
  return {view: first in VIEWS ? first : "routings", id, query};
}

export const address = (path, query = {}) => {
  const words = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return "#/" + path + (words ? "?" + words : "");
};

// Without a step in the browser's history: a filter that is being typed is one place.
export function replaceAddress(hash) {
  history.replaceState(null, "", hash);
  moved();
}

function moved() {
  const before = current.view;
  current = parse();
  render();
  emit("route", current);
  if (before === current.view) return;
  scrollTo(0, 0);
  byID("content").focus({preventScroll: true});
}

function render() {
  byID("content").hidden = byID("navigation").hidden = !session.me;
  for (const node of document.querySelectorAll("[data-view]")) node.hidden = !node.dataset.view.split(" ").includes(current.view);
  const shown = VIEWS[current.view].of ?? current.view;
  for (const link of byID("navigation").querySelectorAll("a")) {
    link.hidden = !may(VIEWS[link.dataset.to].permission);
    if (link.dataset.to === shown) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  document.title = text(VIEWS[current.view].title) + " · Spindle";
}

// Not an address: it goes to the content of the view that is shown.
byID("skip").onclick = (event) => { event.preventDefault(); byID("content").focus(); };
addEventListener("hashchange", moved);
on("render", render);
