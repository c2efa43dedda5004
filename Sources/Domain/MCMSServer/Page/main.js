// The page: shows what the API says, calls it, and follows the event streams.
import {ALERT_TONES} from "./alert-list.js";
import {alertWords} from "./alert-words.js";
import {call, loadFailed, Problem} from "./api.js";
import {note, toast} from "./alerts.js";
import {byID} from "./elements.js";
import {followNow} from "./follow.js";
import {loadJobs} from "./jobs.js";
import {language, text, toggleLanguage} from "./language.js";
import {EventLink} from "./link.js";
import "./message.js";
import "./outbox.js";
import "./overview.js";
import {loadPeople} from "./people.js";
import "./queue.js";
import "./queues.js";
import {routingName} from "./routing-store.js";
import {loadRouting} from "./routing.js";
import {loadRoutings} from "./routings.js";
import {may} from "./session.js";
import {linkSecret, openSetup, showMe, signIn} from "./sign-in.js";
import {emit, on} from "./signals.js";
import "./system.js";
import "./timeline.js";
import "./workers.js";

const FAILURES_TOLD = 5;
const BANNER_MS = 3000;
const BEGIN_AGAIN_MS = 5000;
const THEMES = ["auto", "light", "dark"];

// MARK: Language and theme

function applyLanguage() {
  document.documentElement.lang = language();
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = text(node.dataset.text);
  for (const node of document.querySelectorAll("[data-placeholder]")) node.placeholder = text(node.dataset.placeholder);
  for (const node of document.querySelectorAll("[data-label]")) if (node.id) node.setAttribute("aria-label", text(node.dataset.label));
  const toggle = byID("language");
  toggle.textContent = text("language");
  toggle.lang = language() === "ko" ? "en" : "ko";
  showTheme();
  emit("render");
}

const theme = () => document.documentElement.dataset.theme ?? "auto";

function showTheme() {
  const button = byID("theme");
  button.textContent = {auto: "◐", light: "☀", dark: "☾"}[theme()];
  button.title = text("theme." + theme());
  button.setAttribute("aria-label", button.title);
}

function nextTheme() {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  if (next === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = next;
  localStorage.setItem("mcms.theme", next);
  showTheme();
}

// MARK: Events

function words(name, data) {
  switch (name) {
    case "addin.job.created": return text("event." + name, routingName(data.routingId));
    case "addin.job.updated": return text("event." + name, routingName(data.routingId), text("job." + data.status) + (data.message ? ` – ${data.message}` : ""));
    case "routing.created": return text("event." + name, data.name);
    case "routing.approval.changed": return text("event." + name, routingName(data.routingId), text("status." + data.status));
    case "file.updated": return text("event." + name, data.logicalName, text("file." + data.status) + (data.reason ? ` – ${data.reason}` : ""));
    case "notification.alert": return Object.values(alertWords(data)).filter(Boolean).join(" – ");
    case "gap": return text("event.gap", data.reason);
    default: return name;
  }
}

function onEvent(name, data) {
  if (name === "reauth") { checkSession(); return; }
  if (name === "gap") load(true).catch(() => {}); // the banner or the sign-in says what is wrong
  note(() => words(name, data), name === "gap" ? "wait" : data.status === "failed" || data.severity === "error" ? "bad" : undefined);
  if (name === "notification.alert") {
    const {title, message} = alertWords(data);
    toast(title, message, ALERT_TONES[data.severity] ?? "info");
  }
  emit("event", name, data);
  emit("render");
}

// MARK: The connection

let connection = ["connecting", 0];
let isLong = false;
let isTold = false;
let longTimer;

function onState(state, failures) {
  const wasLost = connection[0] === "lost";
  connection = [state, failures];
  if (state !== "lost") { clearTimeout(longTimer); longTimer = undefined; isLong = false; }
  if (state === "connected") isTold = false;
  // A planned change of connection takes a moment and isn't worth a banner.
  if (state === "lost" && !wasLost) longTimer = setTimeout(() => { isLong = true; renderLink(); }, BANNER_MS);
  if (state === "lost" && failures === 2) checkSession();
  if (failures >= FAILURES_TOLD && !isTold) {
    isTold = true;
    toast(text("connectionLostTitle"), text("bannerGivenUp", failures), "wait");
  }
  renderLink();
}

function renderLink() {
  const [state, failures] = connection;
  byID("link").dataset.state = state;
  byID("link-text").textContent = text(state);
  byID("banner").hidden = !(state === "lost" && isLong);
  byID("banner-text").textContent = failures >= FAILURES_TOLD ? text("bannerGivenUp", failures) : text("bannerLost");
}

// An event source can't tell why it failed.
function checkSession() {
  call("GET", "/api/session", undefined, true).catch((problem) => { if (problem.status === 401) signIn(); });
}

// MARK: Beginning

async function load(isBackground = false) {
  const parts = [loadPeople()];
  if (may("readRoutings")) parts.push(loadRoutings(isBackground));
  if (may("readJobs")) parts.push(loadJobs(isBackground));
  await Promise.all(parts);
  await loadRouting();
  followNow();
  emit("render");
}

let link;
async function begin() {
  // First the place, then the state: so nothing that happens between is missed.
  let cursor;
  try { cursor = (await call("GET", "/events/cursor")).cursor; } catch { /* the streams begin where they are */ }
  try {
    showMe(await call("GET", "/api/me"));
    await load();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status === 401) { signIn(); return; }
    loadFailed(problem);
    setTimeout(begin, BEGIN_AGAIN_MS);
    return;
  }
  if (link) { link.retryNow(); return; }
  link = new EventLink({cursor, onEvent, onState});
  link.start();
}

byID("language").onclick = () => { toggleLanguage(); applyLanguage(); };
byID("theme").onclick = nextTheme;
byID("reconnect").onclick = () => link?.retryNow();
// Somebody looks at the page again, or the network is there again: at once, not at the next turn.
addEventListener("visibilitychange", () => { if (!document.hidden) link?.retryNow(); });
addEventListener("online", () => link?.retryNow());
on("begin", begin);
on("render", renderLink);
applyLanguage();
if (linkSecret()) openSetup();
else begin();
