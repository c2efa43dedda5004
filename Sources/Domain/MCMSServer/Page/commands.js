// What an action is at a terminal. A test runs each of these through the program's own parser.
//
// A word that a shell would take apart is quoted.
const word = (value) => (/^[\w.,:/@%+=-]+$/.test(value) && !value.startsWith("-") ? value : `'${String(value).replaceAll("'", `'\\''`)}'`);
// Behind `--`, so that a name may begin with a dash.
const behind = (value) => (String(value).startsWith("-") ? ["--", word(value)] : [word(value)]);
const option = (name, value) => (value === undefined || value === null || value === "" ? [] : [`--${name}=${word(value)}`]);
const spindle = (...words) => ["spindle", ...words.flat()].join(" ");

export const pauseQueue = (queue, reason) => spindle("queue", "pause", option("reason", reason), behind(queue));
export const resumeQueue = (queue) => spindle("queue", "resume", behind(queue));
export const queueStats = (queue) => spindle("queue", "stats", behind(queue));
export const listQueues = () => spindle("queue", "ls");

// - Parameter filter: {state, id, type, group, header, error}, as in the page's address.
function conditions(filter = {}) {
  const [name, ...value] = (filter.header ?? "").split(":");
  return [
    ...option("state", filter.state), ...option("id", filter.id), ...option("header", filter.type && `taskType=${filter.type}`),
    ...option("group", filter.group), ...option("header", filter.header && `${name}=${value.join(":")}`), ...option("reason-contains", filter.error),
  ];
}

export const browseQueue = (queue, filter) => spindle("queue", "browse", conditions(filter), behind(queue));
export const redriveQueue = (queue, filter) => spindle("queue", "redrive", conditions(filter), behind(queue));
export const showMessage = (queue, id) => spindle("message", "get", behind(queue), word(id));
export const explainMessage = (queue, id) => spindle("why", behind(queue), word(id));
export const showTimeline = (id) => spindle("timeline", behind(id));
export const cancelMessage = (queue, id, reason) => spindle("message", "cancel", option("reason", reason), behind(queue), word(id));

export const listWorkers = () => spindle("worker", "ls");
export const controlWorker = (action, session, reason) => spindle("worker", word(action), option("session", session), option("reason", reason));

export const listOutbox = () => spindle("outbox", "ls");
export const redriveOutbox = (id) => spindle("outbox", "redrive", behind(id));

export const systemStatus = () => [spindle("health"), spindle("status")];

export const addPerson = (name, displayName, role) => spindle(
  "user", "add", option("display-name", displayName), option("role", role), behind(name || "NAME"));
export const setPassword = (name) => spindle("user", "passwd", behind(name));
export const setRole = (name, role) => spindle("user", "role", behind(name), word(role));
export const disablePerson = (name) => spindle("user", "disable", behind(name));
export const enablePerson = (name) => spindle("user", "enable", behind(name));

// One of each, with values that a shell would take apart: for the test.
export function samples() {
  const [odd, filter] = ["it's a $(name); with \"signs\"", {state: "ready", id: "17", type: "a b", group: "tenant 7", header: "kind:x:y", error: "it's gone"}];
  return [
    pauseQueue(odd, odd), pauseQueue("-dash"), pauseQueue("plain", ""), resumeQueue(odd), queueStats(odd), listQueues(), browseQueue(odd, filter),
    browseQueue("plain"), redriveQueue(odd, filter), redriveQueue("plain"), showMessage(odd, "17"), cancelMessage(odd, "17", odd),
    explainMessage(odd, "17"), showTimeline("0b5e-1"), listWorkers(),
    ...["quiet", "resume", "terminate"].map((action) => controlWorker(action, "4", odd)), listOutbox(), redriveOutbox("-1"), ...systemStatus(),
    addPerson("kim", "김철수", "approver"), addPerson("", "", "viewer"), setPassword("kim"), setRole("kim", "operator"),
    disablePerson("kim"), enablePerson("kim"),
  ];
}
