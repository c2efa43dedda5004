// Signing in and out, the link that makes an account, and one's own account.
import {call} from "./api.js";
import {toast} from "./alerts.js";
import {byID} from "./elements.js";
import {text} from "./language.js";
import {may, session} from "./session.js";
import {emit, on} from "./signals.js";
import {replaceAddress} from "./views.js";

// MARK: Signing in

export async function signIn() {
  const dialog = byID("sign-in");
  if (dialog.open || byID("setup").open) return;
  showMe(null);
  let ways = ["password", "token"];
  try {
    const answer = await call("GET", "/api/sign-in");
    ways = answer.ways;
    session.passwordMin = answer.passwordMin;
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
    emit("begin");
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

export const linkSecret = () => new URLSearchParams(location.hash.slice(1)).get("link");

export function openSetup() {
  byID("setup-error").textContent = "";
  byID("setup-help").textContent = text("setupHelp", session.passwordMin);
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
    replaceAddress("#/");
    emit("begin");
  } catch (problem) { byID("setup-error").textContent = problem.status === 403 ? text("linkUnusable") : problem.message; }
}

// MARK: One's own account

export function showMe(me) {
  session.me = me;
  emit("render");
}

function render() {
  const {me} = session;
  const button = byID("me");
  button.hidden = !me;
  if (me) {
    button.textContent = me.kind === "account" ? `${me.displayName} · ${text("role." + me.role)}`
      : me.kind === "trial" ? text("trialUser") : me.name;
  }
  byID("trial").hidden = me?.kind !== "trial";
  byID("actor-field").hidden = !may("nameActor");
}

function openMe() {
  const isAccount = session.me?.kind === "account";
  byID("me-title").textContent = session.me?.displayName ?? "";
  byID("me-details").textContent = isAccount ? `${session.me.name} · ${text("role." + session.me.role)}`
    : text(session.me?.kind === "trial" ? "trialHelp" : "tokenHelp");
  byID("me-password").hidden = !isAccount;
  byID("me-everywhere").hidden = session.me?.kind === "trial";
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
    byID("me-error").textContent = problem.status === 403 ? text("wrongCurrentPassword")
      : problem.status === 429 ? text("tooManyAttempts", problem.retryAfter ?? "60") : problem.message;
  }
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
byID("actor").value = localStorage.getItem("mcms.actor") ?? "";
byID("actor").onchange = () => localStorage.setItem("mcms.actor", byID("actor").value.trim());
on("sign-in", signIn);
on("render", render);
