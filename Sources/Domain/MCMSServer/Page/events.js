"use strict";
// The event streams, for one page. One tab of the browser holds the connections (a browser makes only six to a server over HTTP/1.1)
// and tells the others; where the browser can't do that (no secure context), each tab has its own.
//
//   new EventLink({cursor, onEvent(name, data, id), onState("connecting" | "connected" | "lost", failures)}).start()
class EventLink {
  static STREAMS = {
    updates: ["addin.job.created", "addin.job.updated", "routing.created", "routing.approval.changed", "file.updated"],
    alerts: ["notification.alert"],
  };
  static WAIT_MS = 1000;
  static WAIT_MS_MAX = 30000;

  constructor({cursor, onEvent, onState}) {
    this.onEvent = onEvent;
    this.onState = onState;
    this.streams = Object.entries(EventLink.STREAMS).map(([name, topics]) => ({name, topics, id: cursor, failures: 0, isOpen: false}));
    this.isLeader = false;
  }

  start() {
    if (!navigator.locks || !window.BroadcastChannel) return this.lead();
    this.channel = new BroadcastChannel("mcms-events");
    this.channel.onmessage = ({data}) => this.heard(data);
    this.channel.postMessage({ask: true});
    // Granted when the tab that led is closed; held for the life of this one.
    navigator.locks.request("mcms-events", () => { this.lead(); return new Promise(() => {}); });
  }

  lead() {
    this.isLeader = true;
    for (const stream of this.streams) this.connect(stream);
  }

  heard(message) {
    if (message.ask) { if (this.isLeader) this.tell({state: this.state}); return; }
    if (message.retry) { if (this.isLeader) this.retryNow(); return; }
    if (this.isLeader) return;
    if (message.state) this.onState(...message.state);
    if (message.event) {
      const stream = this.streams.find((one) => one.name === message.stream);
      if (message.event[2]) stream.id = message.event[2];
      if (message.event[0]) this.onEvent(...message.event);
    }
  }

  tell(message) { this.channel?.postMessage(message); }

  connect(stream) {
    clearTimeout(stream.timer);
    stream.source?.close();
    const query = stream.id ? "?lastEventId=" + encodeURIComponent(stream.id) : "";
    const source = stream.source = new EventSource("/events/" + stream.name + query);
    const hear = (handle) => (event) => {
      if (stream.source !== source) return;
      stream.id = event.lastEventId || stream.id;
      this.watch(stream);
      handle(event);
    };
    const alive = hear(() => {
      stream.failures = 0;
      stream.isOpen = true;
      this.tell({stream: stream.name, event: [null, null, stream.id]});
      this.report();
    });
    source.addEventListener("hello", (event) => { stream.heartbeat = JSON.parse(event.data).heartbeatMilliseconds; alive(event); });
    source.addEventListener("ping", alive);
    for (const name of ["gap", "reauth", ...stream.topics]) {
      source.addEventListener(name, hear((event) => {
        stream.failures = 0;
        stream.isOpen = true;
        let data = {};
        try { data = JSON.parse(event.data); } catch { /* shown without its details */ }
        this.tell({stream: stream.name, event: [name, data, stream.id]});
        this.onEvent(name, data, stream.id);
        this.report();
      }));
    }
    // By itself the browser would come back only after some kinds of error.
    source.onerror = () => { if (stream.source === source) this.failed(stream); };
    this.watch(stream);
    this.report();
  }

  // A connection may die without a sign. The server says something within every heartbeat.
  watch(stream) {
    clearTimeout(stream.watchdog);
    stream.watchdog = setTimeout(() => this.failed(stream), 2.5 * (stream.heartbeat || 20000));
  }

  failed(stream) {
    clearTimeout(stream.watchdog);
    stream.source.close();
    stream.isOpen = false;
    stream.failures += 1;
    const longest = Math.min(EventLink.WAIT_MS_MAX, EventLink.WAIT_MS * 2 ** (stream.failures - 1));
    clearTimeout(stream.timer);
    stream.timer = setTimeout(() => this.connect(stream), longest * (0.5 + Math.random() / 2));
    this.report();
  }

  retryNow() {
    if (!this.isLeader) return this.tell({retry: true});
    for (const stream of this.streams) if (!stream.isOpen) this.connect(stream);
  }

  report() {
    const failures = Math.max(...this.streams.map((stream) => stream.failures));
    const state = this.streams.every((stream) => stream.isOpen) ? "connected" : failures > 0 ? "lost" : "connecting";
    if (this.state && this.state[0] === state && this.state[1] === failures) return;
    this.state = [state, failures];
    this.tell({state: this.state});
    this.onState(state, failures);
  }
}
