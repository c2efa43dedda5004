// Small drawings. A tone has its own shape, so that nobody has to tell colours apart.
const SVG = "http://www.w3.org/2000/svg";

const SHAPES = {
  ok: "M3 8.6 6.4 12 13 4.6",
  wait: "M8 2.2a5.8 5.8 0 1 1 0 11.6A5.8 5.8 0 0 1 8 2.2ZM8 5v3.2l2.2 1.4",
  run: "M5 3.2 12.4 8 5 12.8Z",
  bad: "M4 4l8 8M12 4l-8 8",
  warn: "M8 2.4 14.2 13.4H1.8ZM8 6.6v3.2M8 11.4v.4",
  info: "M8 2.2a5.8 5.8 0 1 1 0 11.6A5.8 5.8 0 0 1 8 2.2ZM8 7.4v3.6M8 5v.4",
  idle: "M3.6 8h8.8",
  pause: "M5.4 3.4v9.2M10.6 3.4v9.2",
  copy: "M5.5 5.5h7v8h-7ZM3.5 10.5v-8h7",
  close: "M4 4l8 8M12 4l-8 8",
};

export function drawing(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function icon(name) {
  const path = drawing("path", {d: SHAPES[name] ?? SHAPES.idle, fill: name === "run" ? "currentColor" : "none"});
  return drawing("svg", {viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true", "data-icon": name}, path);
}
