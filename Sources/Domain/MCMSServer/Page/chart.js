// Charts as SVG, without a library. A chart is a picture of numbers that stand beside it as text.
import {drawing} from "./icons.js";
import {count, duration, time} from "./language.js";

const SPARK = {width: 120, height: 30};
const CHART = {width: 360, height: 150, left: 44, right: 6, top: 8, bottom: 20};
const LINES = 4;

const line = (points) => "M" + points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");

// The last values, small: from zero, so that a flat line at the bottom is nothing.
export function spark(values) {
  if (values.length < 2) return null;
  const top = Math.max(...values, 1);
  const points = values.map((value, index) => [index / (values.length - 1) * SPARK.width, SPARK.height - 2 - value / top * (SPARK.height - 5)]);
  return drawing("svg", {viewBox: `0 0 ${SPARK.width} ${SPARK.height}`, class: "spark", preserveAspectRatio: "none", "aria-hidden": "true"},
    drawing("path", {class: "area", d: `${line(points)}L${SPARK.width} ${SPARK.height}L0 ${SPARK.height}Z`}),
    drawing("path", {class: "line", d: line(points), "vector-effect": "non-scaling-stroke"}));
}

// Of which four are told in one unit each: 15, 30, 45 seconds, 1 minute.
const DURATION_STEPS = [1, 2, 5, 10, 15, 60, 120, 300, 600, 900, 3600, 7200, 10800, 21600, 86400, 172800, 432000];

const durationCeiling = (seconds) => LINES * (DURATION_STEPS.find((step) => step * LINES >= seconds) ?? 86400 * Math.ceil(seconds / LINES / 86400));

// A number that divides well, at or above the value.
function ceiling(value) {
  if (value <= LINES) return LINES;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((step) => step * power).find((one) => one >= value);
}

// - Parameters:
//   items: [{at, …}], oldest first.
//   series: [{name, value(item)}]
export function chart(items, series, {label, isDuration = false}) {
  const {width, height, left, right, top, bottom} = CHART;
  const [first, last] = [new Date(items[0].at).getTime(), new Date(items.at(-1).at).getTime()];
  const highest = Math.max(...items.flatMap((item) => series.map((one) => one.value(item) ?? 0)));
  const most = isDuration ? durationCeiling(highest) : ceiling(highest);
  const x = (item) => left + (new Date(item.at).getTime() - first) / Math.max(1, last - first) * (width - left - right);
  const y = (value) => height - bottom - value / most * (height - top - bottom);
  const svg = drawing("svg", {viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": label});
  for (let step = 0; step <= LINES; step++) {
    const value = most * step / LINES;
    svg.append(drawing("path", {class: "grid", d: `M${left} ${y(value)}H${width - right}`}),
      drawing("text", {x: left - 6, y: y(value) + 4, "text-anchor": "end"}, isDuration ? duration(value) : count(value)));
  }
  for (const [place, anchor] of [[0, "start"], [.5, "middle"], [1, "end"]]) {
    svg.append(drawing("text", {x: left + place * (width - left - right), y: height - 5, "text-anchor": anchor}, time(first + place * (last - first))));
  }
  series.forEach((one, index) => {
    // A gap in the readings is a gap in the line.
    const runs = [[]];
    for (const item of items) {
      const value = one.value(item);
      if (value === null || value === undefined) runs.push([]); else runs.at(-1).push([x(item), y(value)]);
    }
    for (const points of runs.filter((run) => run.length)) {
      svg.append(drawing("path", {class: "line", "data-series": index, d: line(points.length > 1 ? points : [...points, [points[0][0] + .1, points[0][1]]])}));
    }
  });
  return svg;
}
