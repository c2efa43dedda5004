// Everybody's accounts, for administrators; and for all, what people call themselves.
import {call} from "./api.js";
import {toast} from "./alerts.js";
import {ask, commandLine} from "./ask.js";
import {addPerson, disablePerson, enablePerson, setPassword, setRole} from "./commands.js";
import {badge, byID, make, renderList} from "./elements.js";
import {language, text, time} from "./language.js";
import {may, session} from "./session.js";
import {emit, on} from "./signals.js";

const ROLES = ["viewer", "approver", "operator", "admin"];
let users = [];

export async function loadPeople() {
  try {
    session.names = new Map((await call("GET", "/api/people")).items.map((one) => [one.name, one.displayName]));
    if (may("managePeople")) users = (await call("GET", "/api/users")).items;
  } catch (problem) { if (problem.status !== 401 && problem.status !== 403) toast(text("loadFailed"), problem.message, "wait"); }
  emit("render");
}

function renderPeople() {
  renderList(byID("people-rows"), users, (one) => [one.name, JSON.stringify([one, language()])], personRow);
  byID("people-empty").hidden = users.length > 0;
}

function personRow(one) {
  const isMe = one.name === session.me?.name;
  const role = make("select", {"aria-label": text("roleOf", one.displayName), data: {action: "role"}, disabled: isMe, onchange: () => changeRole(one, role.value)},
    ...ROLES.map((value) => make("option", {value, selected: value === one.role}, text("role." + value))));
  const button = (key, onclick, tone = "") => make("button", {
    type: "button", className: tone, data: {action: key}, "aria-label": text("actionFor", text(key), one.displayName), onclick,
  }, text(key));
  return make("tr", {},
    make("td", {}, make("div", {className: "title"}, one.displayName), make("div", {className: "sub"}, one.name)),
    make("td", {}, role),
    make("td", {}, badge(text(one.isDisabled ? "disabled" : "enabled"), one.isDisabled ? "bad" : "ok")),
    make("td", {className: "time"}, one.lastSignInAt ? make("time", {datetime: one.lastSignInAt}, time(one.lastSignInAt)) : text("never")),
    make("td", {}, make("div", {className: "actions"},
      button("resetPassword", () => openPerson(one)),
      isMe ? null : one.isDisabled ? button("enable", () => enable(one)) : button("disable", () => disable(one), "danger"))));
}

// What an account may do, and whether it is let in, is asked first: the command for it stands beside.
async function askThen(one, change, question) {
  if (await ask(question)) await changePerson(one.name, change);
  else redraw();
}

const changeRole = (one, role) => askThen(one, {role}, {
  title: text("roleOf", one.displayName), help: text("roleHelp", text("role." + role)), label: text("save"), command: () => setRole(one.name, role),
});
const enable = (one) => askThen(one, {isDisabled: false}, {
  title: text("actionFor", text("enable"), one.displayName), help: text("enableHelp"), label: text("enable"), command: () => enablePerson(one.name),
});
const disable = (one) => askThen(one, {isDisabled: true}, {
  title: text("actionFor", text("disable"), one.displayName), help: text("disableHelp"), label: text("disable"), tone: "danger",
  command: () => disablePerson(one.name),
});

// So that a choice that was refused, or taken back, does not stay in its field.
function redraw() {
  byID("people-rows").replaceChildren();
  emit("render");
}

async function changePerson(name, change) {
  try { await call("PATCH", "/api/users/" + encodeURIComponent(name), change); }
  catch (problem) { if (problem.status !== 401) toast(text("failedTitle"), problem.message, "bad"); }
  byID("people-rows").replaceChildren();
  await loadPeople();
}

// For a new person, or a new password of one that exists.
function openPerson(one) {
  const dialog = byID("person");
  dialog.dataset.name = one?.name ?? "";
  byID("person-title").textContent = one ? text("resetPasswordOf", one.displayName) : text("addPerson");
  byID("person-help").textContent = text(one ? "resetPasswordHelp" : "addPersonHelp", session.passwordMin);
  byID("person-new").hidden = Boolean(one);
  byID("person-name").required = !one;
  byID("person-error").textContent = "";
  for (const id of ["person-name", "person-display-name", "person-password"]) byID(id).value = "";
  byID("person-role").replaceChildren(...ROLES.map((value) => make("option", {value, selected: value === "approver"}, text("role." + value))));
  showCommand();
  dialog.showModal();
}

function showCommand() {
  const name = byID("person").dataset.name;
  const command = name ? setPassword(name) : addPerson(byID("person-name").value, byID("person-display-name").value, byID("person-role").value);
  byID("person-command").replaceChildren(commandLine(command));
}

async function submitPerson(event) {
  event.preventDefault();
  const name = byID("person").dataset.name;
  const password = byID("person-password").value;
  try {
    if (name) await call("PATCH", "/api/users/" + encodeURIComponent(name), {password});
    else {
      await call("POST", "/api/users", {
        name: byID("person-name").value, displayName: byID("person-display-name").value || undefined, role: byID("person-role").value, password,
      });
    }
    byID("person-password").value = "";
    byID("person").close();
    await loadPeople();
  } catch (problem) { byID("person-error").textContent = problem.message; }
}

byID("add-person").onclick = () => openPerson(null);
byID("person").querySelector("form").onsubmit = submitPerson;
byID("person-new").oninput = showCommand;
byID("person-cancel").onclick = () => byID("person").close();
on("render", renderPeople);
