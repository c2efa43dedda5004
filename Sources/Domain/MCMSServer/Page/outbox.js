// What waits in the database for the broker.
import {call} from "./api.js";
import {commandLine} from "./ask.js";
import {listOutbox, redriveOutbox} from "./commands.js";
import {badge, byID, make, renderList} from "./elements.js";
import {follow} from "./follow.js";
import {count, language, text, time} from "./language.js";
import {on} from "./signals.js";
import {route} from "./views.js";

const SECONDS = 4;
const ROWS_MAX = 200;
const TONES = {pending: "wait", in_progress: "run", dead: "bad"};
let outbox = null;

async function load(isBackground) { outbox = await call("GET", `/api/outbox?limit=${ROWS_MAX}`, undefined, isBackground); }

function render() {
  if (route().view !== "outbox") return;
  byID("outbox-body").hidden = !outbox;
  byID("outbox-command").replaceChildren(commandLine(listOutbox()));
  if (!outbox) return;
  const sign = JSON.stringify([outbox.pending, outbox.inProgress, outbox.dead, outbox.published, outbox.oldestPendingAt, language()]);
  if (byID("outbox-figures").dataset.sign !== sign) {
    byID("outbox-figures").dataset.sign = sign;
    byID("outbox-figures").replaceChildren(...[
      ["outbox.pending", count(outbox.pending)], ["outbox.in_progress", count(outbox.inProgress)], ["outbox.dead", count(outbox.dead)],
      ["outbox.published", count(outbox.published)], ["outbox.oldest", outbox.oldestPendingAt ? time(outbox.oldestPendingAt, true) : "–"],
    ].map(([key, value]) => make("div", {}, make("dt", {}, text(key)), make("dd", {className: "big"}, value))));
  }
  renderList(byID("outbox-rows"), outbox.items, (one) => [one.id, JSON.stringify([one, language()])], row);
  byID("outbox-empty").hidden = outbox.items.length > 0;
}

function row(one) {
  return make("tr", {},
    make("td", {}, make("div", {className: "title"}, one.type), make("div", {className: "sub"}, one.destination)),
    make("td", {}, badge(text("outbox." + one.status), TONES[one.status])),
    make("td", {className: "number", data: {label: text("attempts")}}, count(one.attempts)),
    make("td", {className: "time", data: {label: text("createdAt")}}, make("time", {datetime: one.createdAt}, time(one.createdAt, true))),
    make("td", {className: "time", data: {label: text("nextAttempt")}},
      one.nextAttemptAt ? make("time", {datetime: one.nextAttemptAt}, time(one.nextAttemptAt, true)) : "–"),
    make("td", {className: "why"}, one.error ?? "", one.status === "dead" ? commandLine(redriveOutbox(one.id)) : null));
}

follow("outbox", SECONDS, load);
on("render", render);
