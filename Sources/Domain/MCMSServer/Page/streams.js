// The server's event streams: connects, notices that a connection has died, and connects again from the last event.
//
//   new EventStreams({cursor, ids?: {stream: id}, onEvent(name, data), onState(state, failures), tell(message)}).start()
// `tell` gets the same for those who share: {state: [state, failures]} and {stream, id, event?: [name, data]}.
import {at} from "./base.js";

const STREAMS = {
  updates: ["addin.job.created", "addin.job.updated", "routing.created", "routing.approval.changed", "file.updated"],
  alerts: ["notification.alert"],
};
const WAIT_MS = 500;
// A page is live within 5 s of the server's return.
const WAIT_MS_MAX = 4000;
// Until the first word of a server: packets may be dropped without an answer.
const FIRST_WORD_MS = 5000;
const HEARTBEAT_MS = 20000;
const HEARTBEATS_MISSED = 2.5;

export class EventStreams {
  constructor({cursor, ids, onEvent, onState, tell}) {
    Object.assign(this, {onEvent, onState, tell, state: ["connecting", 0]});
    this.streams = Object.entries(STREAMS).map(([name, topics]) => ({name, topics, id: ids?.[name] ?? cursor, failures: 0, isOpen: false}));
  }

  start() { for (const stream of this.streams) this.connect(stream); }

  stop() {
    for (const stream of this.streams) {
      clearTimeout(stream.timer);
      clearTimeout(stream.watchdog);
      stream.source?.close();
      stream.source = null;
    }
  }

  retryNow() { for (const stream of this.streams) if (!stream.isOpen) this.connect(stream); }

  connect(stream) {
    clearTimeout(stream.timer);
    stream.source?.close();
    const query = stream.id ? "?lastEventId=" + encodeURIComponent(stream.id) : "";
    const source = stream.source = new EventSource(at("/events/" + stream.name + query));
    const hear = (name, handle) => source.addEventListener(name, (event) => {
      if (stream.source !== source) return;
      stream.id = event.lastEventId || stream.id;
      if (name === "hello") stream.heartbeat = JSON.parse(event.data).heartbeatMilliseconds;
      stream.failures = 0;
      stream.isOpen = true;
      this.watch(stream, HEARTBEATS_MISSED * (stream.heartbeat || HEARTBEAT_MS));
      handle(event);
      this.report();
    });
    for (const name of ["hello", "ping"]) hear(name, () => this.tell({stream: stream.name, id: stream.id}));
    for (const name of ["gap", "reauth", ...stream.topics]) {
      hear(name, (event) => {
        let data = {};
        try { data = JSON.parse(event.data); } catch { /* shown without its details */ }
        this.tell({stream: stream.name, id: stream.id, event: [name, data]});
        this.onEvent(name, data);
      });
    }
    // By itself the browser would come back only after some kinds of error.
    source.onerror = () => { if (stream.source === source) this.failed(stream); };
    this.watch(stream, FIRST_WORD_MS);
    this.report();
  }

  // A connection may die without a sign. The server says something within every heartbeat.
  watch(stream, milliseconds) {
    clearTimeout(stream.watchdog);
    stream.watchdog = setTimeout(() => this.failed(stream), milliseconds);
  }

  failed(stream) {
    clearTimeout(stream.watchdog);
    stream.source.close();
    stream.isOpen = false;
    stream.failures += 1;
    const longest = Math.min(WAIT_MS_MAX, WAIT_MS * 2 ** (stream.failures - 1));
    clearTimeout(stream.timer);
    stream.timer = setTimeout(() => this.connect(stream), longest * (0.5 + Math.random() / 2));
    this.report();
  }

  report() {
    const failures = Math.max(...this.streams.map((stream) => stream.failures));
    const state = this.streams.every((stream) => stream.isOpen) ? "connected" : failures > 0 ? "lost" : "connecting";
    if (this.state[0] === state && this.state[1] === failures) return;
    this.state = [state, failures];
    this.tell({state: this.state});
    this.onState(state, failures);
  }
}
