// One routing: how it stands, what can be done, its history, and (by files.js) its files.
import {call, loadFailed, refresh} from "./api.js";
import {badge, byID, make, renderList, TONES} from "./elements.js";
import {showFilesOf} from "./files.js";
import {icon} from "./icons.js";
import {job} from "./jobs.js";
import {language, text, time} from "./language.js";
import {actionButtons, busy, known} from "./routing-store.js";
import {generation} from "./routings.js";
import {may, personName} from "./session.js";
import {on} from "./signals.js";
import {timelineLink} from "./timeline.js";
import {route} from "./views.js";

const HISTORY_MAX = 500;
const shown = {id: null, history: [], isMissing: false};
const HISTORY_TONES = {
  RoutingApproved: "ok", RoutingRejected: "bad", AddinJobCompleted: "ok", AddinJobFailed: "bad", FileCommitted: "ok", FileQuarantined: "bad", FileInvalid: "bad",
  StorageCommitFailed: "bad", RoutingSubmitted: "wait", AddinJobCreated: "run",
};

const historyPath = (id) => `/api/routings/${encodeURIComponent(id)}/history?limit=${HISTORY_MAX}`;

export async function loadRouting() {
  const {view, id} = route();
  if (view !== "routing" || !may("readRoutings")) return;
  if (shown.id !== id) Object.assign(shown, {id, history: [], isMissing: false});
  try {
    const [one, page] = await Promise.all([call("GET", "/api/routings/" + encodeURIComponent(id)), call("GET", historyPath(id))]);
    known.set(one.id, one);
    if (shown.id === id) shown.history = page.items;
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    shown.isMissing = true;
  }
  render();
  await showFilesOf(shown.isMissing ? null : id);
}

function render() {
  if (route().view !== "routing") return;
  const one = known.get(shown.id);
  byID("routing-title").textContent = shown.isMissing ? text("noRouting") : one?.name ?? "";
  byID("routing-files").hidden = byID("routing-history").hidden = shown.isMissing || !one;
  const sign = JSON.stringify([one, job(one?.lastAddinJobId), language(), busy.has(one?.id), may("changeRoutings"), personName(one?.approver)]);
  const facts = byID("routing-facts");
  if (facts.dataset.sign !== sign) {
    facts.dataset.sign = sign;
    facts.replaceChildren(...(one ? factList(one) : []));
    byID("routing-actions").replaceChildren(...(one ? actionButtons(one) : []));
  }
  renderList(byID("history"), [...shown.history].reverse(), (entry) => [String(entry.id), language() + entry.id + personName(entry.actor)], historyItem);
}

function factList(one) {
  const when = (value) => (value ? make("time", {datetime: value}, time(value)) : null);
  const rows = [
    ["status", badge(text("status." + one.status), TONES[one.status])], ["generation", generation(one)], ["revision", String(one.camRevision)],
    ["approvedBy", one.approver ? personName(one.approver) : null], ["createdAt", when(one.createdAt)], ["submittedAt", when(one.submittedAt)],
    ["approvedAt", when(one.approvedAt)], ["identifier", make("code", {}, one.id)],
  ].filter(([, value]) => value);
  return rows.map(([key, value]) => make("div", {}, make("dt", {}, text(key)), make("dd", {}, value)));
}

function historyItem(entry) {
  return make("li", {data: {tone: HISTORY_TONES[entry.event] ?? "idle"}}, icon(HISTORY_TONES[entry.event]),
    make("div", {className: "row"}, make("span", {className: "title"}, text("history." + entry.event)),
      make("time", {className: "sub", datetime: entry.time}, time(entry.time, true))),
    make("div", {className: "sub row"}, make("span", {}, [personName(entry.actor), entry.message].filter(Boolean).join(" – ")), timelineLink(entry.correlationId)));
}

on("route", () => { loadRouting().catch(loadFailed); });
on("event", (name, data) => {
  if (route().view !== "routing" || data.routingId !== shown.id) return;
  refresh(historyPath(shown.id), (page) => { if (page.items[0]?.routingId === shown.id) shown.history = page.items; });
});
on("render", render);
