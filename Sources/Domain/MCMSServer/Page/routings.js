// The list of routings: search, filters and order are in the address, and further pages come by a button.
import {call, loadFailed} from "./api.js";
import {badge, byID, make, renderList, TONES} from "./elements.js";
import {job, percent, progressBar} from "./jobs.js";
import {language, text, time} from "./language.js";
import {actionButtons, busy, change, known, refreshRouting} from "./routing-store.js";
import {actor, may, personName} from "./session.js";
import {emit, on} from "./signals.js";
import {address, replaceAddress, route, routingAddress} from "./views.js";

const ROWS_PER_PAGE = 50;
const TYPING_MS = 250;
const RELOAD_MS = 300;
const FILTERS = ["search", "status", "generation", "sort"];
const list = {ids: [], cursor: null, isLoaded: false, query: "", turn: 0};

const asked = () => Object.fromEntries(FILTERS.map((name) => [name, route().query.get(name) ?? ""]));
const isFiltered = () => FILTERS.some((name) => name !== "sort" && asked()[name]);
const path = (cursor) => "/api/routings?" + new URLSearchParams(
  Object.entries({...asked(), limit: ROWS_PER_PAGE, cursor}).filter(([, value]) => value));

export async function loadRoutings(isBackground = false) {
  const query = JSON.stringify(asked());
  const turn = ++list.turn;
  const page = await call("GET", path(), undefined, isBackground);
  if (turn !== list.turn) return; // another query was asked meanwhile
  const fresh = new Set(page.items.map((one) => one.id));
  for (const one of page.items) known.set(one.id, one);
  // Pages that were opened below stay open.
  const isLong = isBackground && query === list.query && list.ids.length > ROWS_PER_PAGE;
  const below = isLong ? list.ids.filter((id) => !fresh.has(id) && matches(known.get(id))) : [];
  list.ids = [...fresh, ...below];
  if (!below.length) list.cursor = page.nextCursor;
  list.query = query;
  list.isLoaded = true;
  emit("render");
}

const matches = (one) => one && (!asked().status || one.status === asked().status)
  && (!asked().generation || one.lastGenerationStatus === asked().generation);

async function loadMore() {
  const turn = list.turn;
  const page = await call("GET", path(list.cursor));
  if (turn !== list.turn) return;
  for (const one of page.items) known.set(one.id, one);
  list.ids = [...new Set([...list.ids, ...page.items.map((one) => one.id)])];
  list.cursor = page.nextCursor ?? null;
  emit("render");
}

function render() {
  const items = list.ids.map((id) => known.get(id)).filter(Boolean);
  const sign = (one) => [one.id, JSON.stringify([
    one, job(one.lastAddinJobId), language(), busy.has(one.id), may("changeRoutings"), personName(one.approver),
  ])];
  renderList(byID("routing-rows"), items, sign, row);
  byID("routings-empty").hidden = !list.isLoaded || items.length > 0;
  byID("routings-empty-text").textContent = text(isFiltered() ? "noMatches" : "noRoutings");
  byID("clear-filters").hidden = !isFiltered();
  byID("more").hidden = !list.cursor;
  byID("create").hidden = !may("changeRoutings");
  renderFilters();
}

function renderFilters() {
  const choices = {
    status: ["", "draft", "pendingApproval", "approved", "rejected"], generation: ["", "none", "queued", "running", "completed", "failed"],
    sort: ["", "oldest", "changed", "name"],
  };
  const words = {
    status: (value) => text(value ? "status." + value : "status.any"),
    generation: (value) => text(value === "none" ? "generation.notYet" : value ? "generation." + value : "generation.any"),
    sort: (value) => text("sort." + (value || "newest")),
  };
  for (const [name, values] of Object.entries(choices)) {
    const field = byID("filter-" + name);
    if (field.dataset.sign !== language()) {
      field.replaceChildren(...values.map((value) => make("option", {value}, words[name](value))));
      field.dataset.sign = language();
    }
    field.value = asked()[name];
  }
  if (document.activeElement !== byID("filter-search")) byID("filter-search").value = asked().search;
}

function row(one) {
  const href = routingAddress(one.id);
  return make("tr", {},
    make("td", {}, make("a", {className: "title", href}, one.name), one.approver ? make("div", {className: "sub"}, text("approver", personName(one.approver))) : null),
    make("td", {}, badge(text("status." + one.status), TONES[one.status])),
    make("td", {}, generation(one)),
    make("td", {className: "number", data: {label: text("revision")}}, String(one.camRevision)),
    make("td", {className: "time"}, make("time", {datetime: one.updatedAt}, time(one.updatedAt))),
    make("td", {}, make("div", {className: "actions"}, ...actionButtons(one))));
}

// How the latest generation stands: how far it is, and why it failed.
export function generation(one) {
  const state = one.lastGenerationStatus;
  if (state === "none") return make("span", {className: "sub"}, text("generation.none"));
  const failed = state === "failed";
  const latest = job(one.lastAddinJobId);
  const details = failed ? one.generationMessage : state === "running" ? [percent(latest), latest?.message].filter(Boolean).join(" · ") : null;
  return make("div", {className: "generation"},
    badge(text("generation." + state), TONES[state], failed ? text("generationFailedHelp") : null),
    details ? make("span", {className: "sub"}, details) : null, progressBar(latest, one.name));
}

let reloading;
function reloadSoon() {
  reloading ??= setTimeout(() => { reloading = undefined; loadRoutings(true).catch(() => {}); }, RELOAD_MS);
}

function setFilters() {
  replaceAddress(address("routings", Object.fromEntries(FILTERS.map((name) => [name, byID("filter-" + name).value.trim()]))));
}

let typing;
byID("filters").onsubmit = (event) => { event.preventDefault(); setFilters(); };
byID("filter-search").oninput = () => { clearTimeout(typing); typing = setTimeout(setFilters, TYPING_MS); };
for (const name of ["status", "generation", "sort"]) byID("filter-" + name).onchange = setFilters;
byID("clear-filters").onclick = () => { byID("filter-search").value = ""; location.hash = address("routings"); };
byID("more").onclick = () => loadMore().catch(loadFailed);
byID("create").onsubmit = async (event) => {
  event.preventDefault();
  const input = byID("create-name");
  const made = await change("new", () => call("POST", "/api/routings", {name: input.value.trim(), actor: actor()}));
  if (!made) return;
  input.value = "";
  reloadSoon();
};

on("event", (name, data) => {
  if (!data.routingId || data.fileId) return;
  refreshRouting(data.routingId);
  if (name.startsWith("routing.") || isFiltered()) reloadSoon();
});
on("route", ({view}) => {
  if (view === "routings" && may("readRoutings") && JSON.stringify(asked()) !== list.query) loadRoutings().catch(loadFailed);
});
on("render", render);
