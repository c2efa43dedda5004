// The addresses of the page: `#/`, `#/routings?search=…`, `#/routings/ID`, `#/queues/NAME/messages/ID`. What they show is a section with
// `data-view`.
import {byID} from "./elements.js";
import {text} from "./language.js";
import {may, session} from "./session.js";
import {emit, on} from "./signals.js";

const VIEWS = {
  overview: {permission: "readRoutings", title: "overview"},
  routings: {permission: "readRoutings", title: "routings"},
  routing: {permission: "readRoutings", title: "routings", of: "routings"},
  jobs: {permission: "readJobs", title: "jobs"},
  alerts: {permission: "readRoutings", title: "alerts"},
  queues: {permission: "readOperations", title: "queues"},
  queue: {permission: "readOperations", title: "queues", of: "queues"},
  message: {permission: "readOperations", title: "queues", of: "queues"},
  timeline: {permission: "readRoutings", title: "timeline", of: "jobs"},
  workers: {permission: "readOperations", title: "workers"},
  outbox: {permission: "readOperations", title: "outbox"},
  system: {permission: "readOperations", title: "system"},
  people: {permission: "managePeople", title: "people"},
};

let current = parse();
export const route = () => current;

// What follows the view's name, one by one: names of queues may have any characters.
function parse() {
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
  let [first, ...rest] = path.split("/").filter(Boolean);
  const query = new URLSearchParams(search ?? "");
  try { rest = rest.map(decodeURIComponent); } catch { rest = []; }
  const [id, part, partID] = rest;
  const at = (view) => ({view, id: id ?? null, messageID: partID ?? null, query});
  if (!first || location.hash.startsWith("#link=")) return at("overview");
  if (first === "routings" && id) return at("routing");
  if (first === "timeline" && id) return at("timeline");
  if (first === "queues" && id) return at(part === "messages" && partID ? "message" : "queue");
  return at(first in VIEWS && !VIEWS[first].of ? first : "overview");
}

// - Parameter parts: what stands between the slashes; encoded here.
export function address(parts, query = {}) {
  const words = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return "#/" + [parts].flat().map(encodeURIComponent).join("/") + (words ? "?" + words : "");
}

export const queueAddress = (name, query) => address(["queues", name], query);
export const messageAddress = (queue, id) => address(["queues", queue, "messages", id]);
export const routingAddress = (id) => address(["routings", id]);

// Without a step in the browser's history: a filter that is being typed is one place.
export function replaceAddress(hash) {
  history.replaceState(null, "", hash);
  moved();
}

function moved() {
  const before = current;
  current = parse();
  render();
  emit("route", current);
  if (before.view === current.view && before.id === current.id && before.messageID === current.messageID) return;
  scrollTo(0, 0);
  byID("content").focus({preventScroll: true});
}

function render() {
  byID("content").hidden = byID("navigation").hidden = !session.me;
  for (const node of document.querySelectorAll("[data-view]")) node.hidden = !node.dataset.view.split(" ").includes(current.view);
  const shown = VIEWS[current.view].of ?? current.view;
  for (const link of byID("navigation").querySelectorAll("a")) {
    link.parentElement.hidden = !may(VIEWS[link.dataset.to].permission);
    if (link.dataset.to === shown) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  byID("part-operations").hidden = !may("readOperations");
  byID("part-people").hidden = !may("managePeople");
  document.title = text(VIEWS[current.view].title) + " · Spindle";
}

// Not an address: it goes to the content of the view that is shown.
byID("skip").onclick = (event) => { event.preventDefault(); byID("content").focus(); };
addEventListener("hashchange", moved);
on("render", render);
