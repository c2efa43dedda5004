// The add-in's jobs: those that run, a list with its filter in the address, and the latest one of each routing that is shown.
import {call, loadFailed, refresh} from "./api.js";
import {explainMessage} from "./commands.js";
import {badge, byID, make, renderList, TONES} from "./elements.js";
import {language, text, time} from "./language.js";
import {routingName} from "./routing-store.js";
import {may} from "./session.js";
import {emit, on} from "./signals.js";
import {timelineLink} from "./timeline.js";
import {address, route, routingAddress} from "./views.js";
import {whyButton} from "./why.js";

const ROWS_PER_PAGE = 50;
const RUNNING_MAX = 8;
const RELOAD_MS = 300;
const STATUSES = ["", "created", "leased", "completed", "failed"];
const FILTERS = ["status", "since", "sort"];
const jobs = new Map();
const list = {ids: [], cursor: null, isLoaded: false, query: null, turn: 0};

export const job = (id) => jobs.get(id);

const asked = () => Object.fromEntries(FILTERS.map((name) => [name, route().view === "jobs" ? route().query.get(name) ?? "" : ""]));
const path = (cursor) => "/api/addin/jobs?" + new URLSearchParams(Object.entries({...asked(), limit: ROWS_PER_PAGE, cursor}).filter(([, value]) => value));
const keep = (items) => { for (const one of items) jobs.set(one.jobId, one); };

export async function loadJobs(isBackground = false) {
  const query = JSON.stringify(asked());
  const turn = ++list.turn;
  const [page, ...open] = await Promise.all([
    call("GET", path(), undefined, isBackground),
    ...["leased", "created"].map((status) => call("GET", `/api/addin/jobs?status=${status}&limit=${RUNNING_MAX}`, undefined, true)),
  ]);
  for (const one of open) keep(one.items);
  keep(page.items);
  if (turn !== list.turn) return;
  Object.assign(list, {ids: page.items.map((one) => one.jobId), cursor: page.nextCursor ?? null, query, isLoaded: true});
  emit("render");
}

async function loadMore() {
  const turn = list.turn;
  const page = await call("GET", path(list.cursor));
  if (turn !== list.turn) return;
  keep(page.items);
  list.ids = [...new Set([...list.ids, ...page.items.map((one) => one.jobId)])];
  list.cursor = page.nextCursor ?? null;
  emit("render");
}

export function progressBar(job, label) {
  if (job?.status !== "leased") return null;
  const bar = make("progress", {max: 100, "aria-label": label});
  if (typeof job.progress === "number") bar.value = job.progress;
  return bar;
}

// Not where the add-in says it in its own words.
export const percent = (job) => (
  job?.status === "leased" && typeof job.progress === "number" && !/\d ?%/.test(job.message ?? "") ? job.progress + " %" : null);

function render() {
  const items = list.ids.map((id) => jobs.get(id)).filter((one) => one && (!asked().status || one.status === asked().status));
  const sign = (one) => [one.jobId, JSON.stringify([one, language(), routingName(one.routingId)])];
  renderList(byID("jobs"), items, sign, jobItem);
  byID("jobs-empty").hidden = !list.isLoaded || items.length > 0;
  byID("jobs-empty-text").textContent = text(asked().status || asked().since ? "noSuchJobs" : "noJobs");
  byID("jobs-more").hidden = !list.cursor;
  byID("jobs-since").hidden = !asked().since;
  if (asked().since) byID("jobs-since-text").textContent = text("since", time(asked().since));
  const field = byID("jobs-status");
  if (field.dataset.sign !== language()) {
    field.replaceChildren(...STATUSES.map((value) => make("option", {value}, text(value ? "job." + value : "status.any"))));
    field.dataset.sign = language();
  }
  field.value = asked().status;
  const order = {leased: 0, created: 1};
  const open = [...jobs.values()].filter((one) => one.status in order)
    .sort((a, b) => order[a.status] - order[b.status] || (a.createdAt < b.createdAt ? -1 : 1)).slice(0, RUNNING_MAX);
  renderList(byID("running"), open, sign, jobItem);
  byID("running-empty").hidden = !list.isLoaded || open.length > 0;
}

const whyCommand = ({details}) => (details?.queue && details?.messageId ? explainMessage(details.queue, details.messageId) : null);

function jobItem(one) {
  const name = routingName(one.routingId);
  const details = [percent(one), one.message, one.outputs?.length ? text("jobOutputs", one.outputs.length) : null].filter(Boolean).join(" · ");
  return make("li", {},
    make("div", {className: "row"}, make("a", {className: "title", href: routingAddress(one.routingId), data: {action: "routing"}}, name),
      badge(text("job." + one.status), TONES[one.status])),
    progressBar(one, name),
    make("div", {className: "row sub"}, make("span", {}, details),
      make("span", {className: "row"}, one.status === "completed" ? null : whyButton(one.jobId, name, whyCommand), timelineLink(one.correlationId),
        make("time", {datetime: one.updatedAt}, time(one.updatedAt)))));
}

let reloading;
function reloadSoon() {
  reloading ??= setTimeout(() => { reloading = undefined; loadJobs(true).catch(() => {}); }, RELOAD_MS);
}

byID("jobs-status").onchange = () => { location.hash = address("jobs", {status: byID("jobs-status").value}); };
byID("jobs-all").onclick = () => { location.hash = address("jobs", {status: asked().status}); };
byID("jobs-more").onclick = () => loadMore().catch(loadFailed);
on("route", ({view}) => { if (view === "jobs" && may("readJobs") && JSON.stringify(asked()) !== list.query) loadJobs().catch(loadFailed); });
on("event", (name, data) => {
  if (!data.jobId) return;
  const known = jobs.get(data.jobId);
  if (known && data.status) jobs.set(data.jobId, {...known, status: data.status, message: data.message ?? known.message, updatedAt: data.updatedAt});
  if (!list.ids.includes(data.jobId)) reloadSoon();
  refresh("/api/addin/jobs/" + encodeURIComponent(data.jobId), (one) => jobs.set(one.jobId, one));
});
on("render", render);
