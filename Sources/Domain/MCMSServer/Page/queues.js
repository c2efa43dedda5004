// All queues: what each holds, how old the oldest is, and how fast it goes. Each number leads to what it counts.
import {call} from "./api.js";
import {toast} from "./alerts.js";
import {ask, commandLine} from "./ask.js";
import {listQueues, pauseQueue, resumeQueue} from "./commands.js";
import {badge, byID, make, renderList} from "./elements.js";
import {follow, followNow} from "./follow.js";
import {count, duration, language, rate, text} from "./language.js";
import {may} from "./session.js";
import {emit, on} from "./signals.js";
import {queueAddress, route} from "./views.js";

const SECONDS = 4;
let queues = null;

async function load(isBackground) {
  const items = (await call("GET", "/api/queues", undefined, isBackground)).items;
  // A queue of dead letters stands behind the one whose letters it holds.
  const own = items.filter((one) => !one.isDeadLetterQueue);
  const shown = own.flatMap((one) => [one, items.find((other) => other.name === one.deadLetterQueue)]).filter(Boolean);
  queues = [...new Set([...shown, ...items])];
}

// A number that leads to the messages that it counts; zero leads nowhere.
export function figure(queue, value, state, tone) {
  if (!value) return make("span", {className: "zero"}, "0");
  return make("a", {href: queueAddress(queue, {state}), data: {tone, action: state ?? "all"}}, count(value));
}

function render() {
  if (route().view !== "queues") return;
  renderList(byID("queue-rows"), queues ?? [], (one) => [one.name, JSON.stringify([one, language(), may("manageQueues")])], row);
  byID("queues-empty").hidden = !queues || queues.length > 0;
  byID("queues-command").replaceChildren(commandLine(listQueues()));
}

const cell = (label, ...content) => make("td", {className: "number", data: {label: text(label)}}, ...content);

function row(one) {
  return make("tr", {className: one.isDeadLetterQueue ? "under" : ""},
    make("td", {}, make("a", {className: "title", href: queueAddress(one.name), data: {action: "open"}}, one.name), " ", ...stateBadges(one)),
    cell("ready", figure(one.name, one.ready, "ready")), cell("delayed", figure(one.name, one.delayed, "delayed")),
    cell("leased", figure(one.name, one.leased, "leased")),
    cell("dead", one.deadLetterQueue ? figure(one.deadLetterQueue, one.dead, undefined, "bad") : make("span", {className: "zero"}, "–")),
    cell("oldestAge", one.oldestAgeSeconds ? duration(one.oldestAgeSeconds) : make("span", {className: "zero"}, "–")),
    cell("publishedPerSecond", rate(one.publishedPerSecond)), cell("settledPerSecond", rate(one.settledPerSecond)),
    make("td", {}, make("div", {className: "actions"}, pauseButton(one))));
}

export function stateBadges(one) {
  const badges = [];
  if (one.paused) badges.push(make("span", {className: "badge", data: {tone: "wait"}, title: one.pause?.reason ?? ""}, text("pausedQueue")));
  if (one.isDeadLetterQueue) badges.push(badge(text("deadLetters"), one.held ? "bad" : "idle"));
  return badges;
}

export function pauseButton(one) {
  if (!may("manageQueues")) return null;
  const action = one.paused ? "resume" : "pauseQueue";
  return make("button", {
    type: "button", data: {action}, "aria-label": text("actionFor", text(action), one.name), onclick: () => (one.paused ? resume(one) : pause(one)),
  }, text(action));
}

async function pause(one) {
  const answer = await ask({
    title: text("pauseTitle", one.name), help: text("pauseHelp"), command: (reason) => pauseQueue(one.name, reason), label: text("pauseQueue"), hasReason: true,
  });
  if (answer) await change(one.name, "pause", answer);
}

async function resume(one) {
  const answer = await ask({title: text("resumeTitle", one.name), help: text("resumeHelp"), command: () => resumeQueue(one.name), label: text("resume")});
  if (answer) await change(one.name, "resume", {});
}

async function change(name, action, body) {
  try {
    await call("POST", `/api/queues/${encodeURIComponent(name)}/${action}`, body);
    followNow();
  } catch (problem) { if (problem.status !== 401) toast(text("failedTitle"), problem.message, "bad"); }
  emit("render");
}

follow("queues", SECONDS, load);
on("render", render);
