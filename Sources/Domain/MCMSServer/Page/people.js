"use strict";
// People: signing in and out, one's own account, and for administrators everybody's.

const people = {me: null, names: new Map(), users: [], passwordMin: 10};
const ROLES = ["viewer", "approver", "operator", "admin"];

const may = (permission) => people.me?.permissions.includes(permission) ?? false;
// Histories name accounts; people read what they call themselves.
const personName = (name) => people.names.get(name) ?? name;

// MARK: Signing in

async function signIn() {
  const dialog = byID("sign-in");
  if (dialog.open || byID("setup").open) return;
  showMe(null);
  let ways = ["password", "token"];
  try {
    const answer = await call("GET", "/api/sign-in");
    ways = answer.ways;
    people.passwordMin = answer.passwordMin;
  } catch { /* the usual ways; the answer to signing in tells what is wrong */ }
  if (dialog.open) return;
  byID("sign-in-error").textContent = "";
  const hasPassword = ways.includes("password");
  byID("sign-in-trial").hidden = !ways.includes("trial");
  byID("sign-in-nobody").hidden = hasPassword;
  byID("sign-in-by-token").parentElement.hidden = !hasPassword || !ways.includes("token");
  showSignInBy(hasPassword ? "password" : ways.includes("trial") ? "trial" : "token");
  dialog.showModal();
}

function showSignInBy(way) {
  const dialog = byID("sign-in");
  dialog.dataset.way = way;
  for (const node of dialog.querySelectorAll("[data-way]")) {
    node.hidden = node.dataset.way !== way;
    for (const input of node.querySelectorAll("input")) input.required = !node.hidden;
  }
  byID("sign-in-submit").hidden = way === "trial";
  byID("sign-in-by-token").textContent = text(way === "token" ? "signInByName" : "signInByToken");
}

async function submitSignIn(event) {
  event.preventDefault();
  const isToken = byID("sign-in").dataset.way === "token";
  await trySignIn(isToken ? {token: byID("token").value.trim()} : {name: byID("sign-in-name").value, password: byID("sign-in-password").value});
}

async function trySignIn(body) {
  const buttons = byID("sign-in").querySelectorAll("button");
  byID("sign-in-error").textContent = "";
  for (const button of buttons) button.disabled = true;
  try {
    await call("POST", "/api/session", body);
    for (const id of ["token", "sign-in-password"]) byID(id).value = "";
    byID("sign-in").close();
    await begin();
  } catch (problem) {
    byID("sign-in-error").textContent = signInProblem(problem, body);
    byID("sign-in-password").select();
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

function signInProblem(problem, body) {
  if (problem.status === 429) return text("tooManyAttempts", problem.retryAfter ?? "60");
  if (problem.status !== 401) return problem.message;
  if (body.token !== undefined) return text("signInFailed");
  return text(problem.message.includes("disabled") ? "accountDisabled" : "wrongPassword");
}

async function signOut(everywhere) {
  try {
    await call("DELETE", "/api/session" + (everywhere ? "?everywhere=true" : ""));
    location.reload();
  } catch (problem) { toast(text("failedTitle"), problem.message, "bad"); }
}

// MARK: A link that makes an account

const linkSecret = () => new URLSearchParams(location.hash.slice(1)).get("link");

function openSetup() {
  byID("setup-error").textContent = "";
  byID("setup-help").textContent = text("setupHelp", people.passwordMin);
  byID("setup").showModal();
}

async function submitSetup(event) {
  event.preventDefault();
  const password = byID("setup-password").value;
  if (password !== byID("setup-again").value) { byID("setup-error").textContent = text("passwordsDiffer"); return; }
  try {
    await call("POST", "/api/setup", {
      link: linkSecret(), name: byID("setup-name").value, displayName: byID("setup-display-name").value || undefined, password,
    });
    for (const id of ["setup-password", "setup-again"]) byID(id).value = "";
    byID("setup").close();
    // The link is used up: it does not stay in the address, nor in its history.
    history.replaceState(null, "", location.pathname);
    await begin();
  } catch (problem) { byID("setup-error").textContent = problem.status === 403 ? text("linkUnusable") : problem.message; }
}

// MARK: One's own account

function showMe(me) {
  people.me = me;
  const button = byID("me");
  button.hidden = !me;
  if (me) button.textContent = me.kind === "account" ? `${me.displayName} · ${text("role." + me.role)}` : me.kind === "trial" ? text("trialUser") : me.name;
  byID("trial").hidden = me?.kind !== "trial";
  byID("people").hidden = !may("managePeople");
  byID("create").hidden = !may("changeRoutings");
}

function openMe() {
  const isAccount = people.me?.kind === "account";
  byID("me-title").textContent = people.me?.displayName ?? "";
  byID("me-details").textContent = isAccount ? `${people.me.name} · ${text("role." + people.me.role)}` : text(people.me?.kind === "trial" ? "trialHelp" : "tokenHelp");
  byID("me-password").hidden = !isAccount;
  byID("me-everywhere").hidden = people.me?.kind === "trial";
  byID("me-error").textContent = "";
  for (const id of ["me-current", "me-new", "me-again"]) byID(id).value = "";
  byID("me-dialog").showModal();
}

async function submitPassword(event) {
  event.preventDefault();
  if (byID("me-new").value !== byID("me-again").value) { byID("me-error").textContent = text("passwordsDiffer"); return; }
  try {
    await call("POST", "/api/me/password", {current: byID("me-current").value, password: byID("me-new").value});
    byID("me-dialog").close();
    toast(text("passwordChanged"), text("passwordChangedHelp"), "info");
  } catch (problem) {
    byID("me-error").textContent = problem.status === 403 ? text("wrongCurrentPassword") : problem.status === 429 ? text("tooManyAttempts", problem.retryAfter ?? "60") : problem.message;
  }
}

// MARK: Everybody's accounts

async function loadPeople() {
  try {
    people.names = new Map((await call("GET", "/api/people")).items.map((one) => [one.name, one.displayName]));
    if (may("managePeople")) people.users = (await call("GET", "/api/users")).items;
  } catch (problem) { if (problem.status !== 401 && problem.status !== 403) toast(text("loadFailed"), problem.message, "wait"); }
  renderPeople();
}

function renderPeople() {
  renderList(byID("people-rows"), people.users, (one) => [one.name, JSON.stringify([one, state.language])], personRow);
  byID("people-empty").hidden = people.users.length > 0;
}

function personRow(one) {
  const isMe = one.name === people.me?.name;
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
  people.users = []; // drawn anew, so that a refused choice does not stay in its field
  await loadPeople();
}

// For a new person, or a new password of one that exists.
function openPerson(one) {
  const dialog = byID("person");
  dialog.dataset.name = one?.name ?? "";
  byID("person-title").textContent = one ? text("resetPasswordOf", one.displayName) : text("addPerson");
  byID("person-help").textContent = text(one ? "resetPasswordHelp" : "addPersonHelp", people.passwordMin);
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

byID("sign-in").querySelector("form").onsubmit = submitSignIn;
byID("sign-in").oncancel = (event) => event.preventDefault();
byID("sign-in-trial").onclick = () => trySignIn({trial: true});
byID("sign-in-by-token").onclick = () => showSignInBy(byID("sign-in").dataset.way === "token" ? "password" : "token");
byID("setup").querySelector("form").onsubmit = submitSetup;
byID("setup").oncancel = (event) => event.preventDefault();
byID("me").onclick = openMe;
byID("me-password").onsubmit = submitPassword;
byID("me-out").onclick = () => signOut(false);
byID("me-everywhere").onclick = () => signOut(true);
byID("me-close").onclick = () => byID("me-dialog").close();
byID("add-person").onclick = () => openPerson(null);
byID("person").querySelector("form").onsubmit = submitPerson;
byID("person-cancel").onclick = () => byID("person").close();
