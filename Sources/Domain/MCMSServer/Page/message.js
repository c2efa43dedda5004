// One message: where it stands, what it says, and what became of each attempt.
import {call} from "./api.js";
import {toast} from "./alerts.js";
import {ask, commandLine} from "./ask.js";
import {cancelMessage, explainMessage, showMessage} from "./commands.js";
import {badge, byID, make, renderList} from "./elements.js";
import {follow, followNow} from "./follow.js";
import {icon} from "./icons.js";
import {bytes, duration, language, text, time} from "./language.js";
import {MESSAGE_TONES} from "./queue.js";
import {redrive} from "./redrive.js";
import {may} from "./session.js";
import {emit, on} from "./signals.js";
import {timelineAddress} from "./timeline.js";
import {messageAddress, queueAddress, route} from "./views.js";
import {askWhy, whyLine} from "./why.js";

const SECONDS = 4;
const OUTCOME_TONES = {nacked: "bad", expired: "wait", disconnected: "wait"};
const shown = {key: null, message: null, why: null, isMissing: false, isRaw: false};

async function load(isBackground) {
  const {id: queue, messageID: id} = route();
  const key = messageAddress(queue, id);
  if (shown.key !== key) Object.assign(shown, {key, message: null, why: null, isMissing: false, isRaw: false});
  try {
    const message = await call("GET", `/api/queues/${encodeURIComponent(queue)}/messages/${encodeURIComponent(id)}`, undefined, isBackground);
    const why = await askWhy(id, queue).catch(() => null); // the message itself is worth more than the reason
    if (shown.key === key) Object.assign(shown, {message, why, isMissing: false});
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    shown.isMissing = true; // it has ended; what was read of it stays
  }
}

function render() {
  if (route().view !== "message") return;
  const {id: queue, messageID: id} = route();
  const isThis = shown.key === messageAddress(queue, id);
  const message = isThis ? shown.message : null;
  const way = byID("message-way");
  way.textContent = queue;
  way.href = queueAddress(queue);
  byID("message-title").textContent = text("messageTitle", id);
  byID("message-missing").hidden = !(isThis && shown.isMissing);
  byID("message-body").hidden = !message;
  const sign = JSON.stringify([message, shown.why, shown.isMissing, shown.isRaw, language(), may("manageQueues")]);
  if (!message) { byID("message-actions").replaceChildren(); return; }
  if (byID("message-facts").dataset.sign === sign) return;
  byID("message-facts").dataset.sign = sign;
  byID("message-actions").replaceChildren(...(shown.isMissing ? [] : buttons(queue, message)));
  byID("message-facts").replaceChildren(...facts(message));
  byID("message-command").replaceChildren(commandLine(showMessage(queue, id)), commandLine(explainMessage(queue, id)));
  byID("message-why").hidden = !shown.why;
  byID("message-why").replaceChildren(...(shown.why ? [whyLine(shown.why)] : []));
  renderBody(message);
  byID("message-headers").replaceChildren(...message.headers.flatMap(({name, value}) => [make("dt", {}, name), make("dd", {}, value)]));
  byID("message-headers-empty").hidden = message.headers.length > 0;
  renderList(byID("message-attempts"), [...message.attempts].reverse(), (one) => [String(one.number), JSON.stringify([one, language()])], attemptItem);
  byID("message-attempts-empty").hidden = message.attempts.length > 0;
}

const timelineOf = (id) => make("a", {href: timelineAddress(id), data: {action: "timeline"}}, make("code", {}, id));

function facts(one) {
  const when = (value) => (value ? make("time", {datetime: value}, time(value, true)) : null);
  const {origin} = one;
  const rows = [
    ["state", badge(text("message." + one.state), MESSAGE_TONES[one.state])], ["type", one.type], ["group", one.group],
    ["priority", String(one.priority)], ["attempts", String(one.attemptCount)], ["published", when(one.publishedAt)],
    ["readyAt", when(one.readyAt)], ["size", bytes(one.bytes)], ["holder", one.holder],
    ["origin", origin ? make("a", {href: queueAddress(origin.queue), data: {action: "origin"}}, origin.queue) : null], ["deadAt", when(origin?.deadAt)],
    ["deadReason", origin?.reason], ["lastError", one.error === origin?.reason ? null : one.error],
    ["correlation", one.correlationId ? timelineOf(one.correlationId) : null],
  ].filter(([, value]) => value);
  return rows.map(([key, value]) => make("div", {}, make("dt", {}, text(key)), make("dd", {}, value)));
}

function renderBody({body}) {
  byID("message-raw").hidden = body?.encoding !== "json";
  byID("message-raw").textContent = text(shown.isRaw ? "pretty" : "raw");
  byID("message-raw").setAttribute("aria-pressed", String(shown.isRaw));
  byID("message-cut").hidden = !body?.isCut;
  byID("message-encoding").textContent = body?.encoding === "base64" ? "base64" : "";
  byID("message-text").textContent = !body ? text("noRecord") : body.value === "" ? text("emptyBody") : shown.isRaw ? body.value : pretty(body);
}

function pretty(body) {
  if (body.encoding !== "json") return body.value;
  try { return JSON.stringify(JSON.parse(body.value), null, 2); } catch { return body.value; } // it was cut
}

function attemptItem(one) {
  const tone = OUTCOME_TONES[one.outcome] ?? "idle";
  const seconds = (new Date(one.endedAt) - new Date(one.at)) / 1000;
  return make("li", {data: {tone}}, icon({bad: "bad", wait: "wait"}[tone] ?? "idle"),
    make("div", {className: "row"}, make("span", {className: "title"}, text("attempt", one.number, text("outcome." + one.outcome))),
      make("time", {className: "sub", datetime: one.at}, time(one.at, true))),
    make("div", {className: "sub"}, [one.worker, text("took", duration(seconds))].filter(Boolean).join(" · ")),
    one.error ? make("div", {className: "why"}, one.error) : null);
}

function buttons(queue, message) {
  if (!may("manageQueues")) return [];
  const button = (key, tone, onclick) => make("button", {type: "button", className: tone, data: {action: key}, onclick}, text(key));
  return [
    message.origin ? button("redriveOne", "primary", () => redrive(queue, {id: message.id})) : null,
    button("cancelMessage", "danger", () => cancel(queue, message)),
  ].filter(Boolean);
}

async function cancel(queue, message) {
  const answer = await ask({
    title: text("cancelTitle", message.id), help: text(message.state === "leased" ? "cancelLeasedHelp" : "cancelHelp"),
    label: text("cancelMessage"), tone: "danger",
    command: (reason) => cancelMessage(queue, message.id, reason), hasReason: true,
  });
  if (!answer) return;
  try {
    const {outcome} = await call("POST", `/api/queues/${encodeURIComponent(queue)}/messages/${encodeURIComponent(message.id)}/cancel`, answer);
    toast(text("cancelled." + outcome), text("messageTitle", message.id), "ok");
    followNow();
  } catch (problem) { if (problem.status !== 401) toast(text("failedTitle"), problem.message, "bad"); }
}

byID("message-raw").onclick = () => { shown.isRaw = !shown.isRaw; emit("render"); };
follow("message", SECONDS, load);
on("render", render);
