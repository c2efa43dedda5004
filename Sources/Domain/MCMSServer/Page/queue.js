// One queue: its figures, its history as a chart, and its messages, found by what they are.
import {call, loadFailed} from "./api.js";
import {commandLine} from "./ask.js";
import {chart} from "./chart.js";
import {browseQueue, queueStats} from "./commands.js";
import {badge, byID, make, renderList} from "./elements.js";
import {follow} from "./follow.js";
import {count, duration, language, rate, text, time} from "./language.js";
import {figure, pauseButton, stateBadges} from "./queues.js";
import {redriveButton} from "./redrive.js";
import {may} from "./session.js";
import {emit, on} from "./signals.js";
import {messageAddress, queueAddress, replaceAddress, route} from "./views.js";

const SECONDS = 4;
const HISTORY_SECONDS = 30;
const ROWS_PER_PAGE = 50;
const TYPING_MS = 300;
// The broker looks at a bounded number of messages at a time: a page may be empty, and there is more.
const EMPTY_PAGES_MAX = 20;
const HOURS = [1, 6, 24, 168];
const FILTERS = ["state", "id", "type", "group", "header", "error"];
export const MESSAGE_TONES = {ready: "wait", leased: "run", delayed: "idle", cancelled: "bad"};
const shown = {name: null, queue: null, isMissing: false, history: null, hours: 6, messages: [], cursor: null, isLoaded: false, query: null, turn: 0};

const asked = () => Object.fromEntries(FILTERS.map((name) => [name, route().query.get(name) ?? ""]));
const isFiltered = () => FILTERS.some((name) => asked()[name]);
const path = (rest = "") => `/api/queues/${encodeURIComponent(shown.name)}${rest}`;

function open(name) {
  if (shown.name === name) return;
  Object.assign(shown, {name, queue: null, isMissing: false, history: null, messages: [], cursor: null, isLoaded: false, query: null});
}

async function load(isBackground) {
  open(route().id);
  try {
    shown.queue = await call("GET", path(), undefined, isBackground);
    shown.isMissing = false;
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    Object.assign(shown, {queue: null, isMissing: true});
    return;
  }
  // Those that were opened below, or are being read, stay as they are.
  if (shown.messages.length <= ROWS_PER_PAGE) await loadMessages(isBackground);
}

async function loadMessages(isBackground, cursor = null) {
  const query = JSON.stringify([shown.name, asked()]);
  const turn = ++shown.turn;
  let next = cursor;
  let items = [];
  for (let pages = 0; pages < EMPTY_PAGES_MAX; pages++) {
    const words = new URLSearchParams(Object.entries({...asked(), limit: ROWS_PER_PAGE, cursor: next}).filter(([, value]) => value));
    const page = await call("GET", path("/messages?" + words), undefined, isBackground);
    if (turn !== shown.turn) return;
    items = page.items;
    next = page.nextCursor ?? null;
    if (items.length || !next) break;
  }
  shown.messages = cursor ? [...shown.messages, ...items] : items;
  Object.assign(shown, {cursor: next, query, isLoaded: true});
  emit("render");
}

async function loadHistory(isBackground) {
  open(route().id);
  const name = shown.name;
  try {
    const history = await call("GET", path(`/history?hours=${shown.hours}`), undefined, isBackground);
    if (shown.name === name) shown.history = history;
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    shown.history = null;
  }
}

// MARK: Showing

function render() {
  if (route().view !== "queue") return;
  open(route().id);
  const {queue} = shown;
  byID("queue-title").textContent = shown.isMissing ? text("noQueue", shown.name) : shown.name ?? "";
  byID("queue-body").hidden = !queue;
  if (!queue) { byID("queue-badges").replaceChildren(); byID("queue-actions").replaceChildren(); return; }
  const sign = JSON.stringify([queue, language(), may("manageQueues"), asked()]);
  if (byID("queue-figures").dataset.sign !== sign) {
    byID("queue-figures").dataset.sign = sign;
    byID("queue-badges").replaceChildren(...stateBadges(queue));
    byID("queue-actions").replaceChildren(...[queue.isDeadLetterQueue ? redriveButton(queue, asked()) : null, pauseButton(queue)].filter(Boolean));
    byID("queue-figures").replaceChildren(...figures(queue));
    byID("queue-command").replaceChildren(commandLine(queueStats(queue.name)));
    byID("messages-command").replaceChildren(commandLine(browseQueue(queue.name, asked())));
    byID("queue-pause").hidden = !queue.paused;
    byID("queue-pause").textContent = queue.paused ? [text("pausedSays"), queue.pause?.reason].filter(Boolean).join(" ") : "";
  }
  renderHistory();
  renderMessages();
}

function figures(one) {
  const rows = [
    ["ready", figure(one.name, one.ready, "ready")], ["leased", figure(one.name, one.leased, "leased")], ["delayed", figure(one.name, one.delayed, "delayed")],
    ["dead", one.deadLetterQueue ? figure(one.deadLetterQueue, one.dead, undefined, "bad") : null],
    ["oldestAge", one.oldestAgeSeconds ? duration(one.oldestAgeSeconds) : "–"],
    ["publishedPerSecond", rate(one.publishedPerSecond)], ["settledPerSecond", rate(one.settledPerSecond)],
  ].filter(([, value]) => value !== null);
  return rows.map(([key, value]) => make("div", {}, make("dt", {}, text(key)), make("dd", {className: "big"}, value)));
}

function renderHistory() {
  const {history} = shown;
  byID("queue-history").hidden = !history;
  if (!history) return;
  const sign = JSON.stringify([history.items?.at(-1), history.items?.length, shown.hours, language(), shown.name]);
  if (byID("queue-charts").dataset.sign === sign) return;
  byID("queue-charts").dataset.sign = sign;
  byID("queue-hours").replaceChildren(...HOURS.map((hours) => make("button", {
    type: "button", className: "quiet", "aria-pressed": String(hours === shown.hours), data: {action: "hours" + hours},
    onclick: () => { shown.hours = hours; loadHistory(false).then(() => emit("render"), loadFailed); },
  }, duration(hours * 3600))));
  byID("queue-charts").replaceChildren(...(history.items?.length > 1 ? charts(history) : [make("p", {className: "empty"}, text("noHistory"))]));
}

function charts({items, stepSeconds}) {
  const perSecond = (name) => (item) => (item[name] === undefined || item[name] === null ? null : item[name] / stepSeconds);
  const pictures = [
    {key: "chart.held", series: [["ready", (item) => item.ready], ["leased", (item) => item.leased]]},
    {key: "chart.age", series: [["oldestAge", (item) => item.oldestAgeSeconds]], isDuration: true},
    {key: "chart.rates", series: [["chart.in", perSecond("published")], ["chart.out", perSecond("settled")]]},
  ];
  return pictures.map(({key, series, isDuration}) => {
    const named = series.map(([name, value]) => ({name: text(name), value}));
    return make("figure", {}, make("figcaption", {}, make("span", {className: "title"}, text(key)),
      ...(named.length > 1 ? named.map((one, index) => make("span", {className: "legend", data: {series: index}}, one.name)) : [])),
    chart(items, named, {label: text(key), isDuration}));
  });
}

function renderMessages() {
  renderList(byID("message-rows"), shown.messages, (one) => [one.id, JSON.stringify([one, language()])], messageRow);
  byID("messages-empty").hidden = !shown.isLoaded || shown.messages.length > 0;
  byID("messages-empty-text").textContent = text(isFiltered() ? "noSuchMessages" : "noMessages");
  byID("messages-clear").hidden = !isFiltered();
  byID("messages-more").hidden = !shown.cursor;
  const field = byID("message-state");
  if (field.dataset.sign !== language()) {
    field.replaceChildren(...["", "ready", "leased", "delayed"].map((value) => make("option", {value}, text(value ? "message." + value : "everyState"))));
    field.dataset.sign = language();
  }
  for (const name of FILTERS) if (document.activeElement !== byID("message-" + name)) byID("message-" + name).value = asked()[name];
}

function messageRow(one) {
  return make("tr", {},
    make("td", {}, make("a", {className: "title", href: messageAddress(shown.name, one.id), data: {action: "open"}}, one.id)),
    make("td", {}, badge(text("message." + one.state), MESSAGE_TONES[one.state])),
    make("td", {data: {label: text("type")}}, one.type ?? "–"), make("td", {data: {label: text("group")}}, one.group ?? "–"),
    make("td", {className: "number", data: {label: text("attempts")}}, count(one.attempts)),
    make("td", {className: "time", data: {label: text("published")}}, make("time", {datetime: one.publishedAt}, time(one.publishedAt, true))),
    make("td", {className: "why"}, one.error ?? ""));
}

function setFilters() {
  replaceAddress(queueAddress(shown.name, Object.fromEntries(FILTERS.map((name) => [name, byID("message-" + name).value.trim()]))));
}

let typing;
for (const name of FILTERS) byID("message-" + name).oninput = () => { clearTimeout(typing); typing = setTimeout(setFilters, TYPING_MS); };
byID("message-filters").onsubmit = (event) => { event.preventDefault(); setFilters(); };
byID("messages-clear").onclick = () => { location.hash = queueAddress(shown.name); };
byID("messages-more").onclick = () => loadMessages(false, shown.cursor).catch(loadFailed);
on("route", ({view, id}) => {
  if (view !== "queue" || !shown.query || shown.query === JSON.stringify([id, asked()])) return;
  Object.assign(shown, {messages: [], cursor: null, isLoaded: false});
});
follow("queue", SECONDS, load);
follow("queue", HISTORY_SECONDS, loadHistory);
on("render", render);
