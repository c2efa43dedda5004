// The files of the routing that is shown: sends them by parts (protocol/upload.md), goes on after a break, and shows how each one stands.
import {call, Problem, refresh} from "./api.js";
import {toast} from "./alerts.js";
import {at} from "./base.js";
import {badge, byID, make, renderList} from "./elements.js";
import {bytes, language, text, time} from "./language.js";
import {actor, may} from "./session.js";
import {emit, on} from "./signals.js";

const PARTS_AT_ONCE = 3; // of the six connections that a browser opens to one server; two of them are event streams
// Refusals after which the same request may succeed: bytes that were damaged on their way, a login that has ended, too many at once.
const PASSING_REFUSALS = new Set([408, 409, 422, 423, 429, 460]);
const RESUME_PAUSE = 10000; // after a failure without an answer: until somebody answers again
const RETRY_PAUSES = [500, 1000, 2000, 4000, 8000];
const FILE_TONES = {uploading: "run", staged: "wait", scanning: "wait", ingesting: "run", committed: "ok", quarantined: "bad", invalid: "bad"};

const files = {routing: null, known: new Map(), uploads: new Map(), open: new Set()};

// One file on its way. It lives as long as the page; after a reload the same file, chosen again, goes on where it stopped.
class Upload {
  constructor(file, id) {
    Object.assign(this, {file, id, missing: [], sent: 0, inFlight: new Map(), paused: false, error: null, failure: null, began: 0});
  }

  get bytesSent() { return this.sent + [...this.inFlight.values()].reduce((sum, part) => sum + part.loaded, 0); }
  get share() { return this.file.size ? this.bytesSent / this.file.size : 1; }

  async start() {
    this.paused = false;
    this.error = this.failure = null;
    try {
      const view = await call("GET", `/api/upload/${encodeURIComponent(this.id)}`);
      if (view.size !== this.file.size) throw new Problem(0, {detail: text("anotherFile", this.file.name)});
      this.chunkSize = view.chunkSize;
      this.missing = view.missing.flatMap(([first, last]) => Array.from({length: last - first + 1}, (_, index) => first + index));
      this.sent = view.receivedBytes;
      this.began = performance.now();
      this.sentBefore = this.sent;
      this.isTold = false;
    } catch (problem) {
      // All of it is here, and its upload is over.
      if (problem.status === 404) return refreshFile(this.id);
      return this.fail(problem);
    }
    for (let lane = 0; lane < PARTS_AT_ONCE; lane++) this.sendNext();
    renderFiles();
  }

  async sendNext() {
    while (!this.paused && !this.error) {
      const index = this.missing.shift();
      if (index === undefined) break;
      try {
        await this.send(index);
      } catch (problem) {
        this.missing.unshift(index);
        if (!this.paused) this.fail(problem);
      }
      renderFilesSoon();
    }
    if (!this.paused && !this.error && !this.missing.length && !this.inFlight.size) {
      files.uploads.delete(this.id);
      refreshFile(this.id);
    }
  }

  async send(index) {
    const piece = this.file.slice(index * this.chunkSize, Math.min((index + 1) * this.chunkSize, this.file.size));
    for (let attempt = 0; ; attempt++) {
      try {
        await this.put(index, piece);
        this.sent += piece.size;
        return;
      } catch (problem) {
        const isFinal = this.paused || attempt >= RETRY_PAUSES.length || (problem.status >= 400 && problem.status < 500 && !PASSING_REFUSALS.has(problem.status));
        if (isFinal) {
          problem.part ??= index;
          throw problem;
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSES[attempt]));
      }
    }
  }

  // fetch() doesn't tell how far a request is.
  put(index, piece) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const part = {request, loaded: 0};
      this.inFlight.set(index, part);
      const end = (work) => () => { this.inFlight.delete(index); work(); };
      request.open("PUT", at(`/api/upload/${encodeURIComponent(this.id)}/parts/${index}`));
      request.upload.onprogress = (event) => { part.loaded = event.loaded; renderFilesSoon(); };
      request.onload = end(() => {
        if (request.status === 401) emit("sign-in");
        let document = null;
        try { document = JSON.parse(request.responseText); } catch { /* a proxy's answer */ }
        if (request.status >= 200 && request.status < 300) resolve(); else reject(new Problem(request.status, document));
      });
      request.onerror = request.onabort = end(() => reject(new Problem(0)));
      request.send(piece);
    });
  }

  pause() {
    this.paused = true;
    for (const {request} of [...this.inFlight.values()]) request.abort();
    renderFiles();
  }

  fail(problem) {
    this.error = problem.message;
    this.failure = problem;
    for (const {request} of [...this.inFlight.values()]) request.abort();
    if (!this.isTold) toast(text("uploadFailed", this.file.name), problem.message, "bad");
    this.isTold = problem.status === 0;
    if (problem.status === 0) setTimeout(() => this.resume(problem), RESUME_PAUSE);
    renderFiles();
  }

  // Goes on after a failure without an answer, unless something else has become of it.
  resume(problem = this.failure) {
    if (problem?.status === 0 && this.failure === problem && files.uploads.get(this.id) === this) this.start();
  }

  get timeLeft() {
    const seconds = (performance.now() - this.began) / 1000;
    const rate = (this.bytesSent - this.sentBefore) / seconds;
    if (!(rate > 0)) return "";
    const left = (this.file.size - this.bytesSent) / rate;
    return `${bytes(rate)}/s · ${left >= 90 ? text("minutesLeft", Math.ceil(left / 60)) : text("secondsLeft", Math.ceil(left))}`;
  }
}

// MARK: Adding

async function addFiles(chosen) {
  if (!files.routing) return;
  for (const file of chosen) {
    // Begun before, in this page or another: the same name and size, and something missing.
    const begun = [...files.known.values()].find((one) =>
      one.status === "uploading" && one.logicalName === file.name && one.size === file.size && !files.uploads.has(one.id));
    try {
      const routingId = files.routing;
      const id = begun?.id ?? (await call("POST", "/api/upload/parts", {routingId, filename: file.name, size: file.size, actor: actor()})).id;
      const upload = new Upload(file, id);
      files.uploads.set(id, upload);
      refreshFile(id);
      upload.start();
    } catch (problem) {
      toast(text("uploadFailed", file.name), problem.message, "bad");
    }
  }
}

// MARK: Showing

// - Parameter routing: nil where there is none to show.
export async function showFilesOf(routing) {
  if (files.routing !== routing) files.known = new Map();
  files.routing = routing;
  await loadFiles();
}

async function loadFiles() {
  if (!files.routing || !may("readFiles")) { renderFiles(); return; }
  const routing = files.routing;
  const page = await call("GET", `/api/files?limit=500&routingId=${encodeURIComponent(routing)}`);
  if (files.routing !== routing) return;
  files.known = new Map(page.items.map((one) => [one.id, one]));
  renderFiles();
}

const refreshFile = (id) => refresh(`/api/files/${encodeURIComponent(id)}`, (one) => {
  if (one.routingId !== files.routing) return;
  files.known.set(one.id, one);
  renderFiles();
  // It may have taken the place of an earlier version.
  if (one.status === "committed") return loadFiles();
});

function renderFilesSoon() {
  files.due ??= setTimeout(() => { files.due = undefined; renderFiles(); }, 200);
}

function renderFiles() {
  byID("files-drop").hidden = !may("uploadFiles") || !files.routing;
  const items = [...files.known.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
  renderList(byID("files-list"), items, (one) => {
    const upload = files.uploads.get(one.id);
    const moving = upload && [upload.bytesSent, upload.paused, upload.error, upload.missing.length];
    return [one.id, JSON.stringify([one, moving, files.open.has(one.id), language()])];
  }, fileItem);
  byID("files-empty").hidden = items.length > 0;
}

function fileItem(one) {
  const upload = files.uploads.get(one.id);
  const isOpen = files.open.has(one.id);
  const waiting = one.status === "uploading" && !upload ? text("chooseAgain") : null;
  const parts = [one.size == null ? null : bytes(one.size), upload && !upload.paused && !upload.error ? upload.timeLeft : null,
    upload?.paused ? text("paused") : null, upload?.error, waiting, one.reason];
  let bar = null;
  if (one.status === "uploading") {
    bar = make("progress", {max: 1, "aria-label": one.logicalName});
    bar.value = upload ? upload.share : one.size ? one.receivedBytes / one.size : 0;
  }
  return make("li", {},
    make("div", {className: "row"}, make("span", {className: "title"}, one.logicalName), badge(text("file." + one.status), FILE_TONES[one.status])),
    bar,
    make("div", {className: "row sub"}, make("span", {}, parts.filter(Boolean).join(" · ")), make("time", {datetime: one.updatedAt}, time(one.updatedAt))),
    make("div", {className: "actions"}, ...fileActions(one, upload)),
    isOpen ? fileDetails(one, upload) : null);
}

function fileActions(one, upload) {
  const button = (key, work, tone = "") => make("button", {
    type: "button", className: tone, data: {action: key}, "aria-label": text("actionFor", text(key), one.logicalName), onclick: work,
  }, text(key));
  const id = encodeURIComponent(one.id);
  const actions = [];
  if (upload && !upload.paused && !upload.error) actions.push(button("pause", () => upload.pause()));
  if (upload?.paused) actions.push(button("goOn", () => upload.start(), "primary"));
  if (upload?.error) actions.push(button("retry", () => upload.start(), "primary"));
  if (one.status === "uploading" && may("uploadFiles")) actions.push(button("giveUp", () => fileChange(one, async () => {
    upload?.pause();
    files.uploads.delete(one.id);
    await call("DELETE", `/api/upload/${id}`);
    files.known.delete(one.id);
  }), "danger"));
  if (one.status === "committed") actions.push(make("a", {
    href: at(`/api/files/${id}/content`), download: one.logicalName.split("/").pop(), className: "button", data: {action: "download"},
    "aria-label": text("actionFor", text("download"), one.logicalName),
  }, text("download")));
  if (one.status === "quarantined" && may("manageFiles")) actions.push(button("rescan", () => fileChange(one, () => call("POST", `/api/files/${id}/rescan`, {}))));
  if (one.status !== "uploading" && may("manageFiles")) actions.push(button("delete", () => fileChange(one, async () => {
    if (!confirm(text("deleteAsk", one.logicalName))) return;
    await call("DELETE", `/api/files/${id}`);
    files.known.delete(one.id);
  }), "danger"));
  actions.push(button(files.open.has(one.id) ? "fewer" : "details", () => {
    if (!files.open.delete(one.id)) files.open.add(one.id);
    renderFiles();
  }, "quiet"));
  return actions;
}

function fileDetails(one, upload) {
  const parts = one.size == null ? 0 : Math.ceil(one.size / one.chunkSize);
  const missing = upload ? upload.missing.length + upload.inFlight.size : (one.missing ?? []).reduce((sum, [first, last]) => sum + last - first + 1, 0);
  const rows = [
    ["detail.parts", one.status === "uploading" ? `${parts - missing} / ${parts}` : String(parts)], ["detail.path", one.logicalPath],
    ["detail.uploader", one.uploader], ["SHA-256", one.sha256], ["MD5", one.md5],
    ["detail.scan", one.verdict ? [text("scan." + one.verdict.outcome), one.verdict.detail].filter(Boolean).join(": ") : null],
    ["detail.correlation", one.correlationId], ["detail.failure", upload?.failure ? failureText(upload.failure) : null],
  ].filter(([, value]) => value);
  return make("dl", {className: "details"}, ...rows.flatMap(([key, value]) => [make("dt", {}, text(key)), make("dd", {}, value)]));
}

// Which part, which HTTP status, and what the server's log has of it.
function failureText(problem) {
  return [problem.part == null ? null : text("failedPart", problem.part + 1), problem.status ? `HTTP ${problem.status}` : text("noAnswer"),
    problem.message, problem.correlationID].filter(Boolean).join(" · ");
}

async function fileChange(one, work) {
  try {
    await work();
    renderFiles();
    if (files.known.has(one.id)) refreshFile(one.id);
  } catch (problem) {
    toast(text("failedTitle"), problem.message, "bad");
  }
}

byID("files-input").onchange = (event) => { addFiles([...event.target.files]); event.target.value = ""; };
const drop = byID("files-drop");
drop.ondragover = (event) => { event.preventDefault(); drop.dataset.over = "true"; };
drop.ondragleave = () => { delete drop.dataset.over; };
drop.ondrop = (event) => { event.preventDefault(); delete drop.dataset.over; addFiles([...event.dataTransfer.files]); };
// A file that is dropped beside the field would replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
addEventListener("beforeunload", (event) => { if ([...files.uploads.values()].some((one) => !one.paused && !one.error)) event.preventDefault(); });
// The network is there again: what failed without an answer goes on.
addEventListener("online", () => { for (const one of files.uploads.values()) one.resume(); });
on("event", (name, data) => { if (data.fileId) refreshFile(data.fileId); });
on("render", renderFiles);
