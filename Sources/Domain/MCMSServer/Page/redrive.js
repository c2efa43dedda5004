// Puts dead letters back to where they came from: first how many, then a receipt.
import {call} from "./api.js";
import {toast} from "./alerts.js";
import {ask} from "./ask.js";
import {redriveQueue} from "./commands.js";
import {make} from "./elements.js";
import {followNow} from "./follow.js";
import {count, text} from "./language.js";
import {may} from "./session.js";
import {emit} from "./signals.js";

const RECEIPT_MS = 1000;
const RECEIPTS_MAX = 300;
const isRunning = new Set();

// - Parameter filter: of the page's address; `header` is one `name:value`.
function bodyFilter({header, ...rest}) {
  const filter = Object.fromEntries(Object.entries(rest).filter(([, value]) => value));
  return header ? {...filter, headers: [header]} : filter;
}

export function redriveButton(queue, filter) {
  if (!may("manageQueues")) return null;
  const isOne = Boolean(filter.id);
  return make("button", {
    type: "button", className: "primary", data: {action: "redrive"}, disabled: isRunning.has(queue.name) || !queue.held, onclick: () => redrive(queue.name, filter),
  }, text(isOne ? "redriveOne" : Object.values(filter).some(Boolean) ? "redriveMatching" : "redriveAll"));
}

export async function redrive(name, filter) {
  const path = `/api/queues/${encodeURIComponent(name)}/redrive`;
  const body = bodyFilter(filter);
  try {
    const preview = await call("POST", path, {filter: body, preview: true});
    const many = count(preview.count) + (preview.isCut ? "+" : "");
    const answer = await ask({
      title: text("redriveTitle", name), help: text(preview.count ? "redriveHelp" : "redriveNothing", many), label: text("redriveDo", many),
      command: () => redriveQueue(name, filter),
    });
    if (!answer) return;
    isRunning.add(name);
    let {receipt} = await call("POST", path, {filter: body, preview: false});
    for (let asked = 0; receipt.state === "running" && asked < RECEIPTS_MAX; asked++) {
      await new Promise((resolve) => setTimeout(resolve, RECEIPT_MS));
      ({receipt} = await call("GET", `${path}/${encodeURIComponent(receipt.id)}`, undefined, true));
    }
    tell(receipt);
  } catch (problem) {
    if (problem.status !== 401) toast(text("failedTitle"), problem.message, "bad");
  } finally {
    isRunning.delete(name);
    followNow();
    emit("render");
  }
}

function tell(receipt) {
  const parts = [text("redriveReceipt", count(receipt.moved), count(receipt.skipped), receipt.id), receipt.lastFailure];
  const title = {done: "redriveDone", stopped: "redriveStopped", running: "redriveRunning"}[receipt.state] ?? "redriveDone";
  toast(text(title), parts.filter(Boolean).join(" "), receipt.skipped || receipt.state === "stopped" ? "wait" : "ok", true);
}
