"use strict";
// The page: shows what the API says, calls it, and follows the event streams. Data goes into the page only as text.

const FAILURES_TOLD = 5;
const LOG_ENTRIES_MAX = 200;
const TOASTS_MAX = 5;
const TONES = {
  draft: "idle", pendingApproval: "wait", approved: "ok", rejected: "bad",
  none: "none", queued: "wait", running: "run", completed: "ok", failed: "bad", created: "wait", leased: "run",
};

const byID = (id) => document.getElementById(id);
const state = {routings: new Map(), jobs: new Map(), log: [], link: ["connecting", 0], language: chooseLanguage(), busy: new Set()};

// MARK: Language

function chooseLanguage() {
  const kept = localStorage.getItem("mcms.language");
  if (kept in STRINGS) return kept;
  return (navigator.languages || [navigator.language]).some((one) => one.toLowerCase().startsWith("ko")) ? "ko" : "en";
}

function text(key, ...values) {
  const found = STRINGS[state.language][key] ?? key;
  return found.replace(/\{(\d)\}/g, (_, index) => values[index] ?? "");
}

function applyLanguage() {
  document.documentElement.lang = state.language;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = text(node.dataset.text);
  for (const node of document.querySelectorAll("[data-placeholder]")) node.placeholder = text(node.dataset.placeholder);
  for (const node of document.querySelectorAll("[data-label]")) if (node.id) node.setAttribute("aria-label", text(node.dataset.label));
  const toggle = byID("language");
  toggle.textContent = text("language");
  toggle.lang = state.language === "ko" ? "en" : "ko";
  renderAll();
}

// Of today the clock, of other days the date too; the log shows seconds.
function time(value, withSeconds = false) {
  const date = new Date(value);
  if (isNaN(date)) return "";
  const clock = {hour: "numeric", minute: "2-digit"};
  if (withSeconds) clock.second = "2-digit";
  const isToday = date.toDateString() === new Date().toDateString();
  return date.toLocaleString(state.language, isToday ? clock : {month: "short", day: "numeric", ...clock});
}

// MARK: Elements

function make(tag, properties = {}, ...children) {
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

const badge = (word, tone, title) => make("span", {className: "badge", data: {tone}, title}, word);

// Puts one element per item into the parent, and leaves those alone that didn't change, so that focus stays where it is.
function renderList(parent, items, signature, build) {
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

// MARK: What is shown

function renderAll() {
  renderLink();
  renderRoutings();
  renderJobs();
  renderLog();
  renderFiles();
  showMe(people.me);
  renderPeople();
}

function renderRoutings() {
  const items = [...state.routings.values()].sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : a.id < b.id ? 1 : -1));
  const sign = (one) => [one.id, JSON.stringify([one, state.language, state.busy.has(one.id), may("changeRoutings"), personName(one.approver)])];
  renderList(byID("routing-rows"), items, sign, routingRow);
  byID("routings-empty").hidden = !state.isLoaded || items.length > 0;
}

function routingRow(one) {
  const generation = one.lastGenerationStatus;
  const failed = generation === "failed";
  return make("tr", {},
    make("td", {}, make("div", {className: "title"}, one.name), one.approver ? make("div", {className: "sub"}, text("approver", personName(one.approver))) : null),
    make("td", {}, badge(text("status." + one.status), TONES[one.status])),
    make("td", {}, generation === "none" ? make("span", {className: "sub"}, text("generation.none"))
      : badge((failed ? "⚠ " : "") + text("generation." + generation), TONES[generation], failed ? text("generationFailedHelp") : null)),
    make("td", {className: "number", data: {label: text("revision")}}, String(one.camRevision)),
    make("td", {className: "time"}, make("time", {datetime: one.updatedAt}, time(one.updatedAt))),
    make("td", {}, make("div", {className: "actions"}, ...(may("changeRoutings") ? one.legalActions : []).map((action) => actionButton(one, action)))));
}

function actionButton(routing, action) {
  const tone = {approve: "primary", reject: "danger"}[action] ?? "";
  return make("button", {
    type: "button", className: tone, disabled: state.busy.has(routing.id), data: {action},
    "aria-label": text("actionFor", text(action), routing.name), onclick: () => act(routing, action),
  }, text(action));
}

function renderJobs() {
  const items = [...state.jobs.values()].sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : a.jobId < b.jobId ? 1 : -1));
  const sign = (one) => [one.jobId, JSON.stringify([one, state.language, routingName(one.routingId)])];
  renderList(byID("jobs"), items, sign, jobItem);
  byID("jobs-empty").hidden = !state.isLoaded || items.length > 0;
}

function jobItem(job) {
  const name = routingName(job.routingId);
  const progress = job.status !== "leased" ? null : make("progress", {max: 100, "aria-label": name});
  if (progress && typeof job.progress === "number") progress.value = job.progress;
  const outputs = job.outputs?.length ? text("jobOutputs", job.outputs.length) : null;
  const percent = job.status === "leased" && typeof job.progress === "number" ? job.progress + " %" : null;
  const details = [percent, job.message, outputs].filter(Boolean).join(" · ");
  return make("li", {},
    make("div", {className: "row"}, make("span", {className: "title"}, name), badge(text("job." + job.status), TONES[job.status])),
    progress,
    make("div", {className: "row sub"}, make("span", {}, details), make("time", {datetime: job.updatedAt}, time(job.updatedAt))));
}

function renderLog() {
  renderList(byID("log"), state.log, (entry) => [String(entry.number), state.language + entry.number + logText(entry)], (entry) =>
    make("li", {}, make("time", {datetime: entry.at.toISOString()}, time(entry.at, true)), make("span", {data: {tone: entry.tone}}, logText(entry))));
  byID("log-empty").hidden = state.log.length > 0;
}

function logText({name, data}) {
  switch (name) {
    case "addin.job.created": return text("event." + name, routingName(data.routingId));
    case "addin.job.updated": return text("event." + name, routingName(data.routingId), text("job." + data.status) + (data.message ? ` – ${data.message}` : ""));
    case "routing.created": return text("event." + name, data.name);
    case "routing.approval.changed": return text("event." + name, routingName(data.routingId), text("status." + data.status));
    case "file.updated": return text("event." + name, data.logicalName, text("file." + data.status) + (data.reason ? ` – ${data.reason}` : ""));
    case "notification.alert": return [data.title, data.message].filter(Boolean).join(" – ");
    case "gap": return text("event.gap", data.reason);
    default: return name;
  }
}

function routingName(id) { return state.routings.get(id)?.name ?? text("unknownRouting", String(id).slice(0, 8)); }

function renderLink() {
  const [link, failures] = state.link;
  byID("link").dataset.state = link;
  byID("link-text").textContent = text(link);
  const isTold = link === "lost" && (failures > 1 || state.isLong);
  byID("banner").hidden = !isTold;
  byID("banner-text").textContent = failures >= FAILURES_TOLD ? text("bannerGivenUp", failures) : text("bannerLost");
}

function toast(title, message, tone) {
  const node = make("div", {className: "toast", data: {tone}}, make("p", {}, title),
    make("button", {type: "button", className: "quiet", "aria-label": text("dismiss"), onclick: () => node.remove()}, "✕"), make("p", {}, message ?? ""));
  const toasts = byID("toasts");
  toasts.append(node);
  while (toasts.children.length > TOASTS_MAX) toasts.firstChild.remove();
  if (tone !== "bad") setTimeout(() => node.remove(), 12000); // errors stay until they are closed
}

// MARK: The API

class Problem extends Error {
  constructor(status, document, retryAfter) {
    super(document?.detail ?? document?.title ?? text("unreachable"));
    this.status = status;
    this.correlationID = document?.correlationId ?? null;
    this.retryAfter = retryAfter;
  }
}

// In the background: not because of what somebody did, so it does not keep them signed in.
async function call(method, path, body, isBackground = false) {
  let response;
  const headers = {...(body ? {"Content-Type": "application/json"} : {}), ...(isBackground ? {"X-Background": "1"} : {})};
  try {
    response = await fetch(path, {
      method, credentials: "same-origin", headers, body: body ? JSON.stringify(body) : undefined,
    });
  } catch { throw new Problem(0); }
  const document = await response.json().catch(() => null);
  if (response.status === 401 && !["/api/session", "/api/me"].includes(path)) signIn();
  if (!response.ok) throw new Problem(response.status, document, response.headers.get("Retry-After"));
  return document;
}

async function load() {
  const [routings, jobs] = await Promise.all([call("GET", "/api/routings?limit=200"), call("GET", "/api/addin/jobs?limit=100")]);
  state.routings = new Map(routings.items.map((one) => [one.id, one]));
  state.jobs = new Map(jobs.items.map((one) => [one.jobId, one]));
  state.isLoaded = true;
  renderAll();
  await loadFiles();
}

// Several events about one thing within a moment cost one request.
const asked = new Map();
function refresh(path, keep) {
  if (asked.has(path)) return;
  asked.set(path, setTimeout(async () => {
    asked.delete(path);
    try {
      await keep(await call("GET", path, undefined, true));
      renderAll();
    } catch (problem) {
      if (problem.status !== 401 && problem.status !== 404) toast(text("loadFailed"), problem.message, "wait");
    }
  }, 150));
}

const refreshRouting = (id) => refresh("/api/routings/" + encodeURIComponent(id), (one) => state.routings.set(one.id, one));
const refreshJob = (id) => refresh("/api/addin/jobs/" + encodeURIComponent(id), (one) => state.jobs.set(one.jobId, one));

async function change(key, work) {
  state.busy.add(key);
  renderRoutings();
  try {
    const routing = await work();
    state.routings.set(routing.id, routing);
    return true;
  } catch (problem) {
    if (problem.status !== 401) toast(text("failedTitle"), problem.message, "bad");
    if (problem.status === 409) refreshRouting(key);
    return false;
  } finally {
    state.busy.delete(key);
    renderRoutings();
  }
}

// Only a server with pages of its own may say in whose name it acts; anyone else acts in the name of the session.
const actor = () => (byID("actor-field").hidden ? undefined : byID("actor").value.trim() || undefined);

async function act(routing, action) {
  const body = {actor: actor()};
  if (action === "reject") {
    const reason = await askReason(routing);
    if (reason === null) return;
    body.reason = reason || undefined;
  }
  await change(routing.id, () => call("POST", `/api/routings/${encodeURIComponent(routing.id)}/${action}`, body));
}

function askReason(routing) {
  const dialog = byID("reject");
  byID("reject-title").textContent = text("rejectTitle", routing.name);
  byID("reason").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "reject" ? byID("reason").value.trim() : null), {once: true}));
}

// MARK: Events

function onEvent(name, data) {
  if (name === "reauth") { checkSession(); return; }
  if (name === "gap") load().catch(() => {}); // the banner or the sign-in says what is wrong
  const tone = name === "gap" ? "wait" : data.status === "failed" || data.severity === "error" ? "bad" : undefined;
  state.lastNumber = (state.lastNumber ?? 0) + 1;
  state.log.unshift({number: state.lastNumber, at: new Date(), name, data, tone});
  state.log.length = Math.min(state.log.length, LOG_ENTRIES_MAX);
  if (name === "notification.alert") toast(data.title, data.message, {error: "bad", warning: "wait"}[data.severity] ?? "info");
  if (data.jobId) {
    const job = state.jobs.get(data.jobId);
    if (job && data.status) state.jobs.set(data.jobId, {...job, status: data.status, message: data.message ?? job.message, updatedAt: data.updatedAt});
    refreshJob(data.jobId);
  }
  if (data.fileId) refreshFile(data.fileId);
  else if (data.routingId) refreshRouting(data.routingId);
  renderJobs();
  renderLog();
}

let longTimer;
function onState(link, failures) {
  clearTimeout(longTimer);
  state.link = [link, failures];
  state.isLong = false;
  // A planned change of connection takes a moment and isn't worth a banner.
  if (link === "lost") longTimer = setTimeout(() => { state.isLong = true; renderLink(); }, 4000);
  if (link === "lost" && failures === 2) checkSession();
  renderLink();
}

// An event source can't tell why it failed.
function checkSession() {
  call("GET", "/api/session", undefined, true).catch((problem) => { if (problem.status === 401) signIn(); });
}

let link;
async function begin() {
  // First the place, then the state: so nothing that happens between is missed.
  let cursor;
  try { cursor = (await call("GET", "/events/cursor")).cursor; } catch { /* the streams begin where they are */ }
  try {
    const session = await call("GET", "/api/me");
    showMe(session);
    byID("actor-field").hidden = !session.permissions.includes("nameActor");
    files.mayUpload = session.permissions.includes("uploadFiles");
    files.mayManage = session.permissions.includes("manageFiles");
    await Promise.all([load(), loadPeople()]);
    renderAll();
  } catch (problem) {
    if (problem.status === 401) { signIn(); return; }
    toast(text("loadFailed"), problem.message, "bad");
    setTimeout(begin, 5000);
    return;
  }
  if (link) { link.retryNow(); return; }
  link = new EventLink({cursor, onEvent, onState});
  link.start();
}

byID("language").onclick = () => {
  state.language = state.language === "ko" ? "en" : "ko";
  localStorage.setItem("mcms.language", state.language);
  applyLanguage();
};
byID("actor").value = localStorage.getItem("mcms.actor") ?? "";
byID("actor").onchange = () => localStorage.setItem("mcms.actor", byID("actor").value.trim());
byID("create").onsubmit = async (event) => {
  event.preventDefault();
  const input = byID("create-name");
  if (await change("new", () => call("POST", "/api/routings", {name: input.value.trim(), actor: actor()}))) input.value = "";
};
byID("reject-cancel").onclick = () => byID("reject").close("cancel");
byID("reconnect").onclick = () => link?.retryNow();
// The scripts behind this one are part of the page.
addEventListener("DOMContentLoaded", () => {
  applyLanguage();
  if (linkSecret()) openSetup();
  else begin();
});
