// How everything is, as the server sees it: one sentence, four numbers, what is wrong, and what can be done.
import {call} from "./api.js";
import {commandLine} from "./ask.js";
import {byID, make, renderList} from "./elements.js";
import {follow} from "./follow.js";
import {icon} from "./icons.js";
import {count, language, text, time} from "./language.js";
import {on} from "./signals.js";

const SECONDS = 5;
const EVERYWHERE_SECONDS = 20;
export const HEALTH_TONES = {ok: "ok", info: "info", warning: "wait", error: "bad"};

// `summary`: nil before the first answer, and where this server has none.
export const health = {summary: null, isMissing: false};

export async function loadHealth(isBackground) {
  try {
    health.summary = await call("GET", `/api/health/summary?language=${language()}`, undefined, isBackground);
    health.isMissing = false;
  } catch (problem) {
    if (problem.status !== 404 && problem.status !== 403) throw problem;
    health.summary = null;
    health.isMissing = true;
  }
}

export function renderProblems(parent, problems) {
  renderList(parent, problems, (one) => [one.kind + " " + (one.subject ?? ""), JSON.stringify([one, language()])], problemItem);
}

function problemItem(one) {
  const {action} = one;
  const facts = [one.since ? text("since", time(one.since)) : null, one.count ? text("affected", count(one.count)) : null];
  return make("li", {data: {tone: HEALTH_TONES[one.severity] ?? "wait"}},
    make("div", {className: "problem-mark"}, icon({error: "bad", info: "info"}[one.severity] ?? "warn")),
    make("div", {className: "problem-text"},
      make("p", {className: "title"}, one.what),
      make("p", {className: "sub"}, ...facts.filter(Boolean).map((fact) => make("span", {}, fact))),
      one.why ? make("p", {}, one.why) : null,
      action && !action.href ? make("p", {className: "sub"}, action.label) : null,
      action?.command ? commandLine(action.command) : null),
    action?.href?.startsWith("#/") ? make("a", {className: "button", href: action.href, data: {action: "problem"}}, action.label) : null);
}

// The count of problems stands in the menu of every view.
function render() {
  const problems = health.summary?.problems ?? [];
  const mark = byID("problem-count");
  mark.hidden = !problems.length;
  mark.textContent = problems.length;
  mark.dataset.tone = HEALTH_TONES[health.summary?.severity] ?? "idle";
}

follow(["overview", "system"], SECONDS, loadHealth);
follow(["routings", "routing", "jobs", "alerts", "queues", "queue", "message", "timeline", "workers", "outbox", "people"], EVERYWHERE_SECONDS,
  () => loadHealth(true).catch(() => {}));
on("render", render);
