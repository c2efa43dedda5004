// The first screen: how everything is, in one sentence of the server's; four numbers; what is wrong.
import {spark} from "./chart.js";
import {byID, make, renderList} from "./elements.js";
import {health, HEALTH_TONES, renderProblems} from "./health.js";
import {icon} from "./icons.js";
import {count, duration, language, text, time} from "./language.js";
import {on} from "./signals.js";
import {address, route} from "./views.js";

const NUMBERS = {
  jobsRunning: {link: () => address("jobs", {status: "leased"})},
  jobsWaiting: {link: () => address("jobs", {status: "created"})},
  oldestWaitSeconds: {link: () => address("jobs", {status: "created", sort: "oldest"}), isDuration: true},
  failedToday: {link: (at) => address("jobs", {status: "failed", since: midnight(at)}), tone: "bad"},
};
const ICONS = {ok: "ok", warning: "warn", error: "bad", info: "info"};
let spoken = "";

// The day of the reader's clock.
function midnight(at) {
  const day = new Date(at);
  day.setHours(0, 0, 0, 0);
  return day.toISOString();
}

function render() {
  if (route().view !== "overview") return;
  const {summary, isMissing} = health;
  const problems = summary?.problems ?? [];
  byID("health").dataset.tone = HEALTH_TONES[summary?.severity] ?? "idle";
  const sentence = summary?.sentence ?? text(isMissing ? "noSummary" : "summaryLoading");
  // Only a sentence that changed is read out.
  if (spoken !== sentence + summary?.severity) {
    spoken = sentence + summary?.severity;
    byID("health-icon").replaceChildren(icon(ICONS[summary?.severity] ?? "idle"));
    byID("health-sentence").textContent = sentence;
  }
  byID("health-at").textContent = summary ? text("asOf", time(summary.at, true)) : "";
  byID("numbers").hidden = !summary?.numbers.length;
  renderList(byID("numbers"), summary?.numbers ?? [], (one) => [one.name, JSON.stringify([one, language()])], (one) => figure(one, summary.at));
  byID("problems-panel").hidden = !summary;
  renderProblems(byID("problems"), problems);
  byID("problems-empty").hidden = problems.length > 0;
}

function figure(one, at) {
  const known = NUMBERS[one.name];
  // Nil: the server does not know. Zero seconds: nothing waits.
  const value = one.value === null || (known?.isDuration && !one.value) ? "–" : known?.isDuration ? duration(one.value) : count(one.value);
  const tone = known?.tone && one.value ? known.tone : "run";
  const link = {className: "figure", href: known?.link(at) ?? "#/", data: {tone, action: one.name}};
  return make("li", {}, make("a", link, make("span", {className: "figure-name"}, known ? text("number." + one.name) : one.name),
    make("span", {className: "figure-value"}, value), spark(one.spark ?? [])));
}

on("render", render);
