// Holds the event streams for all tabs of a browser that has no Web Locks (link.js).
import {EventStreams} from "./streams.js";

const ports = new Set();
let streams;

const tellAll = (message) => { for (const port of ports) port.postMessage(message); };

// Where the last tab went, nobody listens: the streams end with it, and begin at the next tab's place.
function leave(port) {
  ports.delete(port);
  if (ports.size) return;
  streams?.stop();
  streams = undefined;
}

onconnect = ({ports: [port]}) => {
  port.onmessage = ({data}) => {
    if (data.end) { leave(port); return; }
    if (data.retry) streams?.retryNow();
    if (!("begin" in data)) return;
    ports.add(port);
    if (streams) { port.postMessage({state: streams.state}); return; }
    streams = new EventStreams({cursor: data.begin, onEvent() {}, onState() {}, tell: tellAll});
    streams.start();
  };
};
