// Everything that one cause led to: click, outbox, lease, attempts, result, event; with times and who.
import {call} from "./api.js";
import {commandLine} from "./ask.js";
import {showTimeline} from "./commands.js";
import {byID, make, renderList} from "./elements.js";
import {follow} from "./follow.js";
import {icon} from "./icons.js";
import {hasText, language, text, time} from "./language.js";
import {routingName} from "./routing-store.js";
import {personName} from "./session.js";
import {on} from "./signals.js";
import {address, messageAddress, queueAddress, route, routingAddress} from "./views.js";

const SECONDS = 5;
const TONES = {
  request: "run", change: "idle", queued: "wait", published: "ok", unpublished: "bad", attempt: "bad", leased: "run", handled: "ok",
  result: "ok", event: "idle",
};
const shown = {id: null, answer: null, isMissing: false};

export const timelineAddress = (correlationID) => address(["timeline", correlationID]);
export const timelineLink = (correlationID) => (correlationID
  ? make("a", {href: timelineAddress(correlationID), data: {action: "timeline" + correlationID}}, text("timeline")) : null);

async function load(isBackground) {
  const {id} = route();
  if (shown.id !== id) Object.assign(shown, {id, answer: null, isMissing: false});
  try {
    const answer = await call("GET", `/api/timeline/${encodeURIComponent(id)}?language=${language()}`, undefined, isBackground);
    if (shown.id === id) Object.assign(shown, {answer, isMissing: false});
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    shown.isMissing = true;
  }
}

function render() {
  if (route().view !== "timeline") return;
  const answer = shown.id === route().id ? shown.answer : null;
  byID("timeline-id").textContent = route().id;
  byID("timeline-empty").hidden = !shown.isMissing || Boolean(answer);
  byID("timeline-note").hidden = !answer?.note;
  byID("timeline-note").textContent = answer?.note ?? "";
  byID("timeline-command").replaceChildren(commandLine(showTimeline(route().id)));
  const items = answer?.items ?? [];
  const first = items.length ? new Date(items[0].at).getTime() : 0;
  const key = ({at, kind, text, details}) => [at, kind, text, details.attempt, details.topic].join(" ");
  renderList(byID("timeline-list"), items, (one) => [key(one), JSON.stringify([one, language(), routingName(one.details.routingId)])],
    (one) => item(one, new Date(one.at).getTime() - first));
}

const offset = (milliseconds) => (milliseconds < 1000 ? `+${milliseconds} ms` : `+${(milliseconds / 1000).toFixed(milliseconds < 100000 ? 2 : 0)} s`);

// What the history calls an event in the reader's language, with the message that it carries.
function words(one) {
  const name = "history." + (one.details.event ?? one.text);
  return hasText(name) ? text(name) + one.text.slice((one.details.event ?? one.text).length) : one.text;
}

function item(one, milliseconds) {
  const {details} = one;
  const tone = details.event === "AddinJobFailed" ? "bad" : TONES[one.kind] ?? "idle";
  const place = details.queue && details.messageId
    ? make("a", {href: messageAddress(details.queue, details.messageId), data: {action: "message"}}, `${details.queue} · ${details.messageId}`)
    : details.queue ? make("a", {href: queueAddress(details.queue), data: {action: "queue"}}, details.queue)
    : details.topic ? make("span", {}, details.topic)
    : details.routingId ? make("a", {href: routingAddress(details.routingId), data: {action: "routing"}}, routingName(details.routingId)) : null;
  return make("li", {data: {tone}}, icon(tone === "idle" ? "idle" : tone),
    make("div", {className: "row"}, make("span", {}, make("span", {className: "title"}, text("timeline." + one.kind)), " ", words(one)),
      make("span", {className: "sub row"}, make("span", {}, offset(milliseconds)), make("time", {datetime: one.at}, time(one.at, true)))),
    make("div", {className: "sub row"}, make("span", {}, one.who ? personName(one.who) : ""), place));
}

follow("timeline", SECONDS, load);
on("render", render);
