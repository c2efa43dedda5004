// What Spindle stands on: broker, database, disks, share, scanner, certificates, clocks; and what is wrong with them.
import {commandLine} from "./ask.js";
import {systemStatus} from "./commands.js";
import {byID} from "./elements.js";
import {health, renderProblems} from "./health.js";
import {text} from "./language.js";
import {on} from "./signals.js";
import {route} from "./views.js";

const PARTS = new Set(["broker", "database", "share", "store", "scanner", "disk", "certificate", "clock"]);

function render() {
  if (route().view !== "system") return;
  const {summary, isMissing} = health;
  const problems = (summary?.problems ?? []).filter((one) => PARTS.has(one.kind.split(".")[0]));
  renderProblems(byID("system-problems"), problems);
  byID("system-empty").hidden = problems.length > 0;
  byID("system-empty").textContent = text(summary ? "systemIsWell" : isMissing ? "noSummary" : "summaryLoading");
  byID("system-command").replaceChildren(...systemStatus().map(commandLine));
}

on("render", render);
