// Asks before something is done, and shows how the same is done at a terminal.
import {byID, make} from "./elements.js";
import {icon} from "./icons.js";
import {text} from "./language.js";

// A command, to be read and copied.
export function commandLine(command) {
  const button = make("button", {type: "button", className: "quiet", "aria-label": text("copyCommand"), title: text("copyCommand")}, icon("copy"));
  const code = make("code", {}, command);
  button.onclick = () => copy(code, button);
  return make("div", {className: "command"}, code, button);
}

async function copy(code, button) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.replaceChildren(icon("ok"));
  } catch {
    // A page over plain HTTP has no clipboard: the words are selected, and the keyboard copies them.
    getSelection().selectAllChildren(code);
  }
}

// - Parameters:
//   help: a sentence that says what happens then.
//   command: (reason) => the text.
//   hasReason: whether there is a field for it.
// - Returns: {reason}, or nil if nothing is to be done.
export function ask({title, help, command, label, tone = "primary", hasReason = false, notes = []}) {
  const dialog = byID("ask");
  const reason = byID("ask-reason");
  byID("ask-title").textContent = title;
  byID("ask-help").textContent = help;
  byID("ask-notes").replaceChildren(...notes);
  byID("ask-reason-field").hidden = !hasReason;
  reason.value = "";
  byID("ask-do").textContent = label;
  byID("ask-do").className = tone;
  const show = () => byID("ask-command").replaceChildren(...[command?.(reason.value.trim())].flat().filter(Boolean).map(commandLine));
  reason.oninput = show;
  show();
  byID("ask-terminal").hidden = !command;
  dialog.returnValue = "";
  dialog.showModal();
  (hasReason ? reason : tone === "danger" ? byID("ask-cancel") : byID("ask-do")).focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    resolve(dialog.returnValue === "do" ? {reason: reason.value.trim() || undefined} : null);
  }, {once: true}));
}

byID("ask-cancel").onclick = () => byID("ask").close("cancel");
