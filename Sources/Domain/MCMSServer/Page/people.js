// Everybody's accounts, for administrators; and for all, what people call themselves.
import {call} from "./api.js";
import {toast} from "./alerts.js";
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
  const role = make("select", {"aria-label": text("roleOf", one.displayName), data: {action: "role"}, disabled: isMe, onchange: () => changePerson(one.name, {role: role.value})},
    ...ROLES.map((value) => make("option", {value, selected: value === one.role}, text("role." + value))));
  const button = (key, handler, tone = "") => make("button", {type: "button", className: tone, data: {action: key}, "aria-label": text("actionFor", text(key), one.displayName), onclick: handler}, text(key));
  return make("tr", {},
    make("td", {}, make("div", {className: "title"}, one.displayName), make("div", {className: "sub"}, one.name)),
    make("td", {}, role),
    make("td", {}, badge(text(one.isDisabled ? "disabled" : "enabled"), one.isDisabled ? "bad" : "ok")),
    make("td", {className: "time"}, one.lastSignInAt ? make("time", {datetime: one.lastSignInAt}, time(one.lastSignInAt)) : text("never")),
    make("td", {}, make("div", {className: "actions"},
      button("resetPassword", () => openPerson(one)),
      isMe ? null : one.isDisabled ? button("enable", () => changePerson(one.name, {isDisabled: false})) : button("disable", () => changePerson(one.name, {isDisabled: true}), "danger"))));
}

async function changePerson(name, change) {
  try { await call("PATCH", "/api/users/" + encodeURIComponent(name), change); }
  catch (problem) { if (problem.status !== 401) toast(text("failedTitle"), problem.message, "bad"); }
  users = []; // drawn anew, so that a refused choice does not stay in its field
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
  dialog.showModal();
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
byID("person-cancel").onclick = () => byID("person").close();
on("render", renderPeople);
