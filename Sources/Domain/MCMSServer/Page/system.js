// What Spindle stands on: server, brokers and their logs, database, files, share, scanner, disks, certificates; and what is wrong with them.
import {call} from "./api.js";
import {commandLine} from "./ask.js";
import {systemStatus} from "./commands.js";
import {badge, byID, make, renderList} from "./elements.js";
import {follow} from "./follow.js";
import {health, renderProblems} from "./health.js";
import {bytes, count, duration, language, text, time} from "./language.js";
import {on} from "./signals.js";
import {route} from "./views.js";

const SECONDS = 5;
const PARTS = new Set(["broker", "database", "share", "store", "scanner", "disk", "certificate", "clock"]);
const TONES = {ok: "ok", info: "info", warning: "warn", error: "bad", unknown: "idle"};
let system = null;

async function load(isBackground) {
  try {
    system = await call("GET", "/api/system", undefined, isBackground);
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    system = null;
  }
}

const reason = (one) => (one.reason ? make("div", {className: one.state === "unknown" ? "sub" : "why"}, one.reason) : null);
const state = (one) => badge(text("part." + one.state), TONES[one.state] ?? "idle");

function render() {
  if (route().view !== "system") return;
  const {summary, isMissing} = health;
  const problems = (summary?.problems ?? []).filter((one) => PARTS.has(one.kind.split(".")[0]));
  renderProblems(byID("system-problems"), problems);
  byID("system-problems-panel").hidden = Boolean(system) && !problems.length; // the parts say it
  byID("system-empty").hidden = problems.length > 0;
  byID("system-empty").textContent = text(summary ? "systemIsWell" : isMissing ? "noSummary" : "summaryLoading");
  byID("system-command").replaceChildren(...systemStatus().map(commandLine));
  byID("system-body").hidden = !system;
  if (!system) return;
  renderRows("part-rows", parts(), ({key, name, one, details}) => [key, make("tr", {},
    make("td", {}, make("span", {className: "title"}, text("part.name." + key.split(" ")[0])), name ? make("span", {className: "sub"}, " " + name) : null),
    make("td", {}, state(one)), make("td", {}, details ?? "", reason(one)))]);
  renderRows("disk-rows", system.disks, (one) => [one.use + one.path, diskRow(one)]);
  renderRows("certificate-rows", system.certificates, (one) => [one.file, make("tr", {},
    make("td", {}, make("div", {className: "title"}, one.name), make("div", {className: "sub"}, one.file)), make("td", {}, state(one)),
    make("td", {}, one.endsAt ? text("endsAt", time(one.endsAt)) : one.beginsAt ? text("beginsAt", time(one.beginsAt)) : "",
      reason(one)))]);
  byID("certificates-panel").hidden = !system.certificates.length;
  byID("disks-panel").hidden = !system.disks.length;
}

function renderRows(id, items, build) {
  const built = new Map(items.map((item) => [item, build(item)]));
  renderList(byID(id), items, (item) => [built.get(item)[0], JSON.stringify([item, language()])], (item) => built.get(item)[1]);
}

// Each is there, or not; the share, the store and the scanner only where the description has one.
function parts() {
  const {server, brokers} = system;
  return [
    {key: "server", name: server.name, one: server, details: text("serverDetails", server.version, duration(server.uptimeSeconds))},
    ...brokers.map((one) => ({key: "broker " + one.name, name: one.name, one, details: one.log ? logDetails(one.log) : null})),
    ...["database", "store", "share", "scanner"].filter((key) => system[key]).map((key) => ({key, name: system[key].name, one: system[key]})),
  ];
}

function logDetails(log) {
  return [text("logDetails", bytes(log.bytes), count(log.segments), bytes(log.liveBytes)), log.damaged ? text("logDamaged", count(log.damaged)) : null,
    log.isDiskFull ? text("logFull") : null].filter(Boolean).join(" · ");
}

function diskRow(one) {
  const meter = make("progress", {max: one.bytesTotal, value: one.bytesTotal - one.bytesFree, "aria-label": text("diskUsed", one.use)});
  const files = one.filesFreePercent === undefined || one.filesFreePercent === null || one.filesFreePercent > 20
    ? null : text("diskFiles", count(Math.floor(one.filesFreePercent)));
  return make("tr", {},
    make("td", {}, make("div", {className: "title"}, one.use), make("div", {className: "sub"}, one.path)), make("td", {}, state(one)),
    make("td", {}, make("div", {className: "generation"}, meter,
      make("span", {}, [text("diskFree", bytes(one.bytesFree), bytes(one.bytesTotal)), files].filter(Boolean).join(" · ")))));
}

follow("system", SECONDS, load);
on("render", render);
