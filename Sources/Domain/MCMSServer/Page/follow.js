// Keeps what a view shows fresh while somebody looks at it: loads when the view is opened, then every few seconds.
import {toast} from "./alerts.js";
import {byID} from "./elements.js";
import {text, time} from "./language.js";
import {session} from "./session.js";
import {emit, on} from "./signals.js";
import {route} from "./views.js";

const followers = [];
// What is on the screen is older than it looks: since when, and why.
let stale = null;

// - Parameter load: (isBackground) => promise. Its 404 is the view's own matter.
export function follow(views, seconds, load) {
  const follower = {views: new Set([views].flat()), milliseconds: seconds * 1000, load, timer: undefined, turn: 0, loadedAt: null};
  followers.push(follower);
  on("route", () => run(follower, false));
}

export const followNow = () => { for (const one of followers) run(one, true); };

async function run(follower, isBackground) {
  clearTimeout(follower.timer);
  const turn = ++follower.turn;
  if (!session.me || document.hidden || !follower.views.has(route().view)) return;
  try {
    await follower.load(isBackground);
    if (turn !== follower.turn) return;
    follower.loadedAt = new Date();
    stale = null;
  } catch (problem) {
    if (!("status" in problem)) throw problem;
    if (turn !== follower.turn || problem.status === 401) return;
    if (follower.loadedAt) stale = {since: follower.loadedAt, why: problem.message};
    else if (!isBackground) toast(text("loadFailed"), problem.message, "bad");
  } finally {
    if (turn === follower.turn) follower.timer = setTimeout(() => run(follower, true), follower.milliseconds);
  }
  emit("render");
}

function render() {
  byID("stale").hidden = !stale;
  if (stale) byID("stale").textContent = text("stale", time(stale.since, true), stale.why);
}

addEventListener("visibilitychange", () => { if (!document.hidden) followNow(); });
on("route", () => { stale = null; });
on("render", render);
