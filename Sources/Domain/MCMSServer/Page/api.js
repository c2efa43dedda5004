// The server's API.
import {toast} from "./alerts.js";
import {at} from "./base.js";
import {text} from "./language.js";
import {emit} from "./signals.js";

export class Problem extends Error {
  constructor(status, document, retryAfter) {
    super(document?.detail ?? document?.title ?? text("unreachable"));
    this.status = status;
    this.correlationID = document?.correlationId ?? null;
    this.retryAfter = retryAfter;
  }
}

// In the background: not because of what somebody did, so it does not keep them signed in.
export async function call(method, path, body, isBackground = false) {
  let response;
  const headers = {...(body ? {"Content-Type": "application/json"} : {}), ...(isBackground ? {"X-Background": "1"} : {})};
  try {
    response = await fetch(at(path), {
      method, credentials: "same-origin", headers, body: body ? JSON.stringify(body) : undefined,
    });
  } catch { throw new Problem(0); }
  const document = await response.json().catch(() => null);
  if (response.status === 401 && !["/api/session", "/api/me"].includes(path)) emit("sign-in");
  if (!response.ok) throw new Problem(response.status, document, response.headers.get("Retry-After"));
  return document;
}

// Several events about one thing within a moment cost one request.
const REFRESH_MS = 150;
const asked = new Map();
export function refresh(path, keep) {
  if (asked.has(path)) return;
  asked.set(path, setTimeout(async () => {
    asked.delete(path);
    try {
      await keep(await call("GET", path, undefined, true));
      emit("render");
    } catch (problem) {
      if (problem.status !== 401 && problem.status !== 404) toast(text("loadFailed"), problem.message, "wait");
    }
  }, REFRESH_MS));
}

export const loadFailed = (problem) => { if (problem.status !== 401) toast(text("loadFailed"), problem.message, "bad"); };
