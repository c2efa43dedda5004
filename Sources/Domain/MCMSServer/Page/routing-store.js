// The routings that the page knows, and what can be done with them.
import {call, refresh} from "./api.js";
import {toast} from "./alerts.js";
import {byID, make} from "./elements.js";
import {text} from "./language.js";
import {actor, may} from "./session.js";
import {emit} from "./signals.js";

export const known = new Map();
export const busy = new Set();

export const routingName = (id) => known.get(id)?.name ?? text("unknownRouting", String(id).slice(0, 8));
export const refreshRouting = (id) => refresh("/api/routings/" + encodeURIComponent(id), (one) => known.set(one.id, one));

// - Returns: the routing as it is then; nil if the server refused, which the reader is told.
export async function change(key, work) {
  busy.add(key);
  emit("render");
  try {
    const routing = await work();
    known.set(routing.id, routing);
    return routing;
  } catch (problem) {
    if (problem.status !== 401) toast(text("failedTitle"), problem.message, "bad");
    if (problem.status === 409) refreshRouting(key);
    return null;
  } finally {
    busy.delete(key);
    emit("render");
  }
}

export function actionButtons(routing) {
  return (may("changeRoutings") ? routing.legalActions : []).map((action) => make("button", {
    type: "button", className: {approve: "primary", reject: "danger"}[action] ?? "", disabled: busy.has(routing.id), data: {action},
    "aria-label": text("actionFor", text(action), routing.name), onclick: () => act(routing, action),
  }, text(action)));
}

async function act(routing, action) {
  const body = {actor: actor()};
  if (action === "reject") {
    const reason = await askReason(routing);
    if (reason === null) return;
    body.reason = reason || undefined;
  }
  await change(routing.id, () => call("POST", `/api/routings/${encodeURIComponent(routing.id)}/${action}`, body));
}

function askReason(routing) {
  const dialog = byID("reject");
  byID("reject-title").textContent = text("rejectTitle", routing.name);
  byID("reason").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    resolve(dialog.returnValue === "reject" ? byID("reason").value.trim() : null);
  }, {once: true}));
}

byID("reject-cancel").onclick = () => byID("reject").close("cancel");
