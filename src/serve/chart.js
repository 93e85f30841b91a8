// A station's last day: bikes as areas, mechanical below and electric on top, free docks as a line, all in steps, because a
// value holds until the next window has another; means of the windows. The same numbers as a table.

import { draw } from "/map.js";
import { count, element, hour, moment } from "/words.js";

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [400, 190, 30, 6, 10, 22];
// Between two windows further apart than this nothing is known.
const LONGEST_GAP = 70 * 60e3;

export function chart(day) {
  const from = Date.parse(day.from), until = Math.max(Date.parse(day.until), ...day.windows.map((w) => Date.parse(w.end)));
  const points = day.windows.map((w) => ({
    from: Date.parse(w.start), end: Date.parse(w.end), docks: w.docks.mean, mechanical: w.mechanical.mean, ebike: w.ebike.mean,
  }));
  points.forEach((p, i) => {
    const next = points[i + 1]?.from;
    p.until = Math.min(next !== undefined && next - p.from <= LONGEST_GAP ? next : p.end, until);
  });
  const capacity = day.station.capacity;
  const top = Math.max(capacity ?? 0, 4, ...points.map((p) => Math.max(p.docks ?? 0, (p.mechanical ?? 0) + (p.ebike ?? 0)))) * 1.05;
  const x = (time) => LEFT + ((Math.max(time, from) - from) / (until - from)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);

  const svg = draw(null, "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": inWords(day, points) });
  const step = [1, 2, 5, 10, 20, 50, 100].find((size) => top / size <= 5) ?? Math.ceil(top / 5);
  for (let value = 0; value <= top; value += step) {
    draw(svg, "line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) });
    draw(svg, "text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }).textContent = value;
  }
  for (let time = Math.ceil(from / 3600e3) * 3600e3; time <= until; time += 3600e3) {
    const local = hour(time);
    if (Number(local.slice(0, 2)) % 6) continue;
    draw(svg, "line", { class: "grid", x1: x(time), x2: x(time), y1: TOP, y2: HEIGHT - BOTTOM });
    draw(svg, "text", { x: x(time), y: HEIGHT - 5, "text-anchor": "middle" }).textContent = local;
  }
  const area = (kind, low, high) => {
    const d = points.filter((p) => high(p) !== null && p.until > p.from)
      .map((p) => `M${x(p.from)} ${y(low(p))}V${y(high(p))}H${x(p.until)}V${y(low(p))}Z`).join("");
    if (d) draw(svg, "path", { class: kind, d });
  };
  area("mechanical", () => 0, (p) => p.mechanical);
  area("ebike", (p) => p.mechanical ?? 0, (p) => (p.ebike === null ? null : (p.mechanical ?? 0) + p.ebike));
  if (capacity) draw(svg, "line", { class: "capacity", x1: LEFT, x2: WIDTH - RIGHT, y1: y(capacity), y2: y(capacity) });
  let line = "", last = null;
  for (const p of points) {
    if (p.docks !== null) line += `${last?.until === p.from && last.docks !== null ? "V" : `M${x(p.from)} `}${y(p.docks)}H${x(p.until)}`;
    last = p;
  }
  if (line) draw(svg, "path", { class: "docks", d: line });
  return svg;
}

function inWords(day, points) {
  const known = (name) => points.map((p) => p[name]).filter((value) => value !== null);
  const range = (name, what) => {
    const values = known(name);
    return values.length ? `${what} from ${count(Math.min(...values))} to ${count(Math.max(...values))}` : `${what} unknown`;
  };
  return `From ${moment(day.from)} to ${moment(day.until)}: ${range("docks", "free docks")}, ${range("mechanical", "mechanical bikes")}, ${range("ebike", "electric bikes")}. The table below has every window.`;
}

export function table(day) {
  const rows = [...day.windows].reverse().map((w) => element("tr", {},
    element("th", { scope: "row" }, `${moment(w.start)}–${hour(w.end)}`),
    ...[w.mechanical.mean, w.ebike.mean, w.docks.mean].map((value) => element("td", {}, count(value))),
    element("td", {}, String(w.readings))));
  const heads = ["window", "mechanical", "electric", "free docks", "readings"].map((text) => element("th", { scope: "col" }, text));
  return element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
}
