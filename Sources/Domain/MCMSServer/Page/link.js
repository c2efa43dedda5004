// The event streams, once per browser: a browser makes only six connections to a server over HTTP/1.1, and many tabs share them.
// One tab holds the streams and tells the others (Web Locks). Where there are none (plain HTTP under a name of the network), a shared
// worker holds the streams for all tabs. A browser with neither holds them in each tab.
//
//   new EventLink({cursor, onEvent(name, data), onState("connecting" | "connected" | "lost", failures)}).start()
import {at} from "./base.js";
import {EventStreams} from "./streams.js";

const NAME = "mcms-events";

export class EventLink {
  constructor({cursor, onEvent, onState}) {
    Object.assign(this, {cursor, onEvent, onState, streams: null, port: null, channel: null});
  }

  start() {
    if (navigator.locks && window.BroadcastChannel) this.shareByLock();
    else if (window.SharedWorker) this.shareByWorker();
    else this.lead();
  }

  retryNow() {
    if (this.port) this.port.postMessage({retry: true});
    else if (this.streams) this.streams.retryNow();
    else this.channel?.postMessage({retry: true});
  }

  shareByLock() {
    this.ids = {};
    this.channel = new BroadcastChannel(NAME);
    this.channel.onmessage = ({data}) => {
      if (this.streams) {
        if (data.ask) this.channel.postMessage({state: this.streams.state});
        if (data.retry) this.streams.retryNow();
      } else this.heard(data);
    };
    this.channel.postMessage({ask: true});
    // Granted when the tab that led is closed; held for the life of this one.
    navigator.locks.request(NAME, () => { this.lead(); return new Promise(() => {}); });
  }

  shareByWorker() {
    const worker = new SharedWorker(at("/page/link-worker.js"), {type: "module", name: NAME});
    this.port = worker.port;
    this.port.onmessage = ({data}) => this.heard(data);
    this.port.postMessage({begin: this.cursor});
    addEventListener("pagehide", () => this.port.postMessage({end: true}));
    addEventListener("pageshow", (event) => { if (event.persisted) this.port.postMessage({begin: this.cursor}); });
  }

  lead() {
    this.streams = new EventStreams({
      cursor: this.cursor, ids: this.ids,
      onEvent: (name, data) => this.onEvent(name, data), onState: (...state) => this.onState(...state), tell: (message) => this.channel?.postMessage(message),
    });
    this.streams.start();
  }

  // From the tab or the worker that holds the streams. Each keeps the place, to go on from there as the next one that leads.
  heard({state, event, stream, id}) {
    if (state) this.onState(...state);
    if (id && this.ids) this.ids[stream] = id;
    if (event) this.onEvent(...event);
  }
}
