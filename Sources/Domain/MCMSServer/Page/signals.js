// What one part of the page tells the others without knowing them:
//   "render"   something that is shown may have changed, or the language
//   "sign-in"  the server does not know who this is
//   "begin"    somebody signed in
//   "event"    (name, data) from the server
//   "route"    ({view, id, query}) the address changed
const handlers = new Map();

export function on(name, handler) {
  if (!handlers.has(name)) handlers.set(name, []);
  handlers.get(name).push(handler);
}

export function emit(name, ...values) {
  for (const handler of handlers.get(name) ?? []) handler(...values);
}
