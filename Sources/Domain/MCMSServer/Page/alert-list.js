// Alerts of the past, newest first.
import {call, loadFailed} from "./api.js";
import {byID, make, renderList} from "./elements.js";
import {follow} from "./follow.js";
import {icon} from "./icons.js";
import {language, text, time} from "./language.js";
import {emit, on} from "./signals.js";
import {route} from "./views.js";

const SECONDS = 30;
const ROWS_PER_PAGE = 50;
export const ALERT_TONES = {error: "bad", warning: "wait", info: "info"};
const list = {items: null, cursor: null};

const path = (cursor) => `/api/alerts?language=${language()}&limit=${ROWS_PER_PAGE}` + (cursor ? "&cursor=" + encodeURIComponent(cursor) : "");

async function load(isBackground) {
  if (isBackground && list.items?.length > ROWS_PER_PAGE) return; // further pages are open
  try {
    const page = await call("GET", path(), undefined, isBackground);
    Object.assign(list, {items: page.items, cursor: page.nextCursor ?? null});
  } catch (problem) {
    if (problem.status !== 404 && problem.status !== 403) throw problem;
    list.items = null;
  }
}

function render() {
  if (route().view !== "alerts") return;
  renderList(byID("alert-list"), list.items ?? [], (one) => [String(one.id), JSON.stringify([one, language()])], item);
  byID("alert-list-empty").hidden = !list.items || list.items.length > 0;
  byID("alerts-missing").hidden = list.items !== null;
  byID("alerts-more").hidden = !list.cursor;
}

function item(one) {
  const tone = ALERT_TONES[one.severity] ?? "info";
  return make("li", {data: {tone}}, icon({bad: "bad", wait: "warn"}[tone] ?? "info"),
    make("div", {className: "row"}, make("span", {className: "title"}, one.title), make("time", {className: "sub", datetime: one.at}, time(one.at, true))),
    make("div", {className: "sub"}, text("severity." + one.severity)), one.message ? make("p", {}, one.message) : null);
}

byID("alerts-more").onclick = async () => {
  try {
    const page = await call("GET", path(list.cursor));
    Object.assign(list, {items: [...list.items, ...page.items], cursor: page.nextCursor ?? null});
    emit("render");
  } catch (problem) { loadFailed(problem); }
};
follow("alerts", SECONDS, load);
on("event", (name) => { if (name === "notification.alert" && route().view === "alerts") load(true).then(() => emit("render"), () => {}); });
on("render", render);
