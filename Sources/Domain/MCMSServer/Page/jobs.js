// The add-in's jobs: the latest, and the one of each routing that is shown.
import {call, refresh} from "./api.js";
import {badge, byID, make, renderList, TONES} from "./elements.js";
import {language, text, time} from "./language.js";
import {routingName} from "./routing-store.js";
import {on} from "./signals.js";
import {address} from "./views.js";

const JOBS_MAX = 100;
const jobs = new Map();
let isLoaded = false;

export const job = (id) => jobs.get(id);

export async function loadJobs() {
  const page = await call("GET", `/api/addin/jobs?limit=${JOBS_MAX}`);
  jobs.clear();
  for (const one of page.items) jobs.set(one.jobId, one);
  isLoaded = true;
}

export function progressBar(job, label) {
  if (job?.status !== "leased") return null;
  const bar = make("progress", {max: 100, "aria-label": label});
  if (typeof job.progress === "number") bar.value = job.progress;
  return bar;
}

export const percent = (job) => (job?.status === "leased" && typeof job.progress === "number" ? job.progress + " %" : null);

function render() {
  const items = [...jobs.values()].sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : a.jobId < b.jobId ? 1 : -1)).slice(0, JOBS_MAX);
  renderList(byID("jobs"), items, (one) => [one.jobId, JSON.stringify([one, language(), routingName(one.routingId)])], jobItem);
  byID("jobs-empty").hidden = !isLoaded || items.length > 0;
}

function jobItem(one) {
  const name = routingName(one.routingId);
  const details = [percent(one), one.message, one.outputs?.length ? text("jobOutputs", one.outputs.length) : null].filter(Boolean).join(" · ");
  return make("li", {},
    make("div", {className: "row"}, make("a", {className: "title", href: address("routings/" + encodeURIComponent(one.routingId))}, name),
      badge(text("job." + one.status), TONES[one.status])),
    progressBar(one, name),
    make("div", {className: "row sub"}, make("span", {}, details), make("time", {datetime: one.updatedAt}, time(one.updatedAt))));
}

on("event", (name, data) => {
  if (!data.jobId) return;
  const known = jobs.get(data.jobId);
  if (known && data.status) jobs.set(data.jobId, {...known, status: data.status, message: data.message ?? known.message, updatedAt: data.updatedAt});
  refresh("/api/addin/jobs/" + encodeURIComponent(data.jobId), (one) => jobs.set(one.jobId, one));
});
on("render", render);
