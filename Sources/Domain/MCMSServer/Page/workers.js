// Who is connected to the broker, what each holds, and what an operator may tell them.
import {call} from "./api.js";
import {toast} from "./alerts.js";
import {ask, commandLine} from "./ask.js";
import {controlWorker, listWorkers} from "./commands.js";
import {badge, byID, make, renderList} from "./elements.js";
import {follow, followNow} from "./follow.js";
import {language, text, time} from "./language.js";
import {may} from "./session.js";
import {on} from "./signals.js";
import {messageAddress, queueAddress, route} from "./views.js";

const SECONDS = 3;
const HOLDS_SHOWN = 8;
const TONES = {running: "ok", quiet: "wait", terminating: "wait", gone: "bad"};
let workers = null;

async function load(isBackground) { workers = (await call("GET", "/api/workers", undefined, isBackground)).items; }

function render() {
  if (route().view !== "workers") return;
  renderList(byID("worker-rows"), workers ?? [], (one) => [one.id, JSON.stringify([{...one, heardAt: null}, language(), may("manageQueues")])], row);
  byID("workers-empty").hidden = !workers || workers.length > 0;
  byID("workers-command").replaceChildren(commandLine(listWorkers()));
}

function row(one) {
  const who = [one.principal === one.name ? null : one.principal, one.host].filter(Boolean).join(" · ");
  return make("tr", {},
    make("td", {}, make("div", {className: "title"}, one.name), make("div", {className: "sub"}, who)),
    make("td", {}, badge(text("worker." + one.state), TONES[one.state] ?? "idle")),
    make("td", {}, ...holds(one)),
    make("td", {className: "time", data: {label: text("connectedSince")}}, make("time", {datetime: one.connectedSince}, time(one.connectedSince))),
    make("td", {}, make("div", {className: "actions"}, ...(may("manageQueues") && one.state !== "gone" ? actions(one) : []))));
}

function holds(one) {
  if (!one.holds.length) return [make("span", {className: "sub"}, text(one.isIdle ? "waitsForWork" : "holdsNothing"))];
  const items = one.holds.slice(0, HOLDS_SHOWN).map((lease) => make("li", {},
    make("a", {href: messageAddress(lease.queue, lease.messageId), data: {action: "held" + lease.messageId}}, lease.messageId), " ",
    make("a", {className: "sub", href: queueAddress(lease.queue), data: {action: "queue" + lease.messageId}}, lease.queue), " ",
    make("span", {className: "sub"}, [lease.percent === undefined ? null : lease.percent + " %", text("leaseUntil", time(lease.leaseUntil, true)),
      lease.attempt > 1 ? text("attemptNumber", lease.attempt) : null].filter(Boolean).join(" · "))));
  const more = one.holds.length - items.length;
  return [make("ul", {className: "holds"}, ...items), more > 0 ? make("span", {className: "sub"}, text("andMore", more)) : null];
}

function actions(one) {
  const order = one.state === "running" ? ["quiet", "terminate"] : ["resumeWorker", "terminate"];
  return order.map((key) => make("button", {
    type: "button", className: key === "terminate" ? "danger" : "", data: {action: key}, "aria-label": text("actionFor", text(key), one.name),
    onclick: () => control(one, key),
  }, text(key)));
}

async function control(one, key) {
  const action = key === "resumeWorker" ? "resume" : key;
  const answer = await ask({
    title: text("actionFor", text(key), one.name), help: text("worker.help." + action), label: text(key),
    tone: key === "terminate" ? "danger" : "primary", hasReason: true,
    command: (reason) => controlWorker(action, one.id, reason),
  });
  if (!answer) return;
  try {
    await call("POST", `/api/workers/${encodeURIComponent(one.id)}/${action}`, answer);
    followNow();
  } catch (problem) { if (problem.status !== 401) toast(text("failedTitle"), problem.message, "bad"); }
}

follow("workers", SECONDS, load);
on("render", render);
