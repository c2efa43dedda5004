// Why something is where it is, and what comes next: as the broker, or the database, decides it.
import {call} from "./api.js";
import {toast} from "./alerts.js";
import {commandLine} from "./ask.js";
import {byID, make} from "./elements.js";
import {icon} from "./icons.js";
import {language, text, time} from "./language.js";

// - Parameter queue: where a message is looked for.
export const askWhy = (id, queue) => call(
  "GET", `/api/why/${encodeURIComponent(id)}?` + new URLSearchParams({language: language(), ...(queue ? {queue} : {})}), undefined, true);

const when = (key, value) => (value ? make("span", {className: "sub"}, text(key, time(value, true))) : null);

// The answer's sentence, since when, and until when at the latest.
export const whyLine = (why) => make("div", {className: "row why-line"},
  make("span", {}, icon("info"), " ", why.text), make("span", {className: "row"}, when("sinceThen", why.since), when("nextAt", why.next?.at)));

export function whyButton(id, name, command) {
  return make("button", {
    type: "button", className: "quiet", data: {action: "why"}, "aria-label": text("actionFor", text("why"), name),
    onclick: () => show(id, name, command),
  }, text("why"));
}

async function show(id, name, command) {
  try {
    const why = await askWhy(id);
    byID("why-title").textContent = text("whyTitle", name);
    byID("why-body").replaceChildren(...[whyLine(why), command?.(why) ? commandLine(command(why)) : null].filter(Boolean));
    byID("why-dialog").showModal();
  } catch (problem) { if (problem.status !== 401) toast(text("failedTitle"), problem.message, "wait"); }
}

byID("why-close").onclick = () => byID("why-dialog").close();
