// Lines, bars and sparklines in SVG. Knows points and colours, nothing of queries or tables.

import { h, svg, tick } from "./dom.js";

const COLOURS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6"];
const colour = (at) => `var(${COLOURS[at % COLOURS.length]})`;

/** Round numbers from at or below `low` to at or above `high`. */
function ticks(low, high, wanted) {
  if (!(high > low)) { high = low + (Math.abs(low) || 1); }
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? power * 10;
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step);
  return Array.from({ length: Math.min(last - first + 1, 50) }, (_, at) => (first + at) * step);
}

const clip = (text, width) => (text.length * 6.4 > width ? `${text.slice(0, Math.max(1, Math.floor(width / 6.4) - 1))}…` : text);

/**
 * A chart of `labels` against one or more `series` ({name, values}); `kind` is "bar" or "line".
 * `positions` (numbers, for lines) place the points by value instead of evenly.
 */
export function chart({ kind, labels, series, positions, width, height }) {
  const all = series.flatMap((one) => one.values).filter(Number.isFinite);
  if (all.length === 0) return h("p", { class: "empty" }, "Nothing to draw: no numeric value.");
  const scale = ticks(Math.min(0, ...all), Math.max(0, ...all), 5);
  const [low, high] = [scale[0], scale[scale.length - 1]];
  const left = Math.max(...scale.map((n) => tick(n).length)) * 7 + 14;
  const [right, top, bottom] = [12, 8, 26];
  const inner = Math.max(50, width - left - right);
  const tall = Math.max(50, height - top - bottom);
  const y = (n) => top + tall - ((n - low) / (high - low)) * tall;
  const slot = inner / labels.length;
  const placed = positions?.length > 1 && positions[0] !== positions[positions.length - 1];
  const [start, end] = placed ? [Math.min(...positions), Math.max(...positions)] : [0, 1];
  const x = (at) => (placed ? left + ((positions[at] - start) / (end - start)) * inner : left + slot * (at + 0.5));
  const root = svg("svg", { width, height, role: "img", "aria-label": `${kind} chart of ${series.map((s) => s.name).join(", ")}` });
  for (const n of scale) {
    root.append(svg("line", { class: n === 0 ? "base" : "axis", x1: left, x2: width - right, y1: y(n), y2: y(n) }),
      svg("text", { x: left - 8, y: y(n) + 4, "text-anchor": "end" }, tick(n)));
  }
  const widest = Math.min(140, Math.max(...labels.map((label) => label.length)) * 6.4 + 14);
  const room = kind === "bar" && slot > 40 ? slot - 6 : widest;
  let free = 0;
  labels.forEach((label, at) => {
    const text = clip(label, room);
    const half = text.length * 3.3;
    if (x(at) - half < free || x(at) + half > width) return;
    free = x(at) + half + 12;
    root.append(svg("text", { x: x(at), y: height - 8, "text-anchor": "middle" }, text));
  });
  if (kind === "bar") bars(root, { series, slot, left, y });
  else lines(root, { series, x, y });
  hover(root, { labels, series, x, top, tall, bar: kind === "bar" });
  const names = series.length > 1 && h("div", { class: "legend" }, series.map((one, at) => h("span", null, h("i", { style: `background:${colour(at)}` }), one.name)));
  return h("div", null, names, root);
}

function bars(root, { series, slot, left, y }) {
  const each = Math.max(1, (slot * 0.72) / series.length);
  series.forEach((one, which) => one.values.forEach((n, at) => {
    if (!Number.isFinite(n)) return;
    const x = left + slot * at + slot * 0.14 + each * which;
    root.append(svg("rect", { x, y: Math.min(y(n), y(0)), width: Math.max(0.5, each - (each > 4 ? 1 : 0)), height: Math.max(0.5, Math.abs(y(n) - y(0))), fill: colour(which), rx: each > 8 ? 2 : 0 }));
  }));
}

function lines(root, { series, x, y }) {
  series.forEach((one, which) => {
    let path = "";
    let open = false;
    one.values.forEach((n, at) => {
      if (Number.isFinite(n)) path += `${open ? "L" : "M"}${x(at).toFixed(1)} ${y(n).toFixed(1)}`;
      open = Number.isFinite(n);
    });
    root.append(svg("path", { d: path, fill: "none", stroke: colour(which), "stroke-width": 1.6, "stroke-linejoin": "round" }));
    if (one.values.length <= 60) {
      one.values.forEach((n, at) => Number.isFinite(n) && root.append(svg("circle", { cx: x(at), cy: y(n), r: 2.4, fill: colour(which) })));
    }
  });
}

function hover(root, { labels, series, x, top, tall }) {
  const mark = svg("line", { class: "base", y1: top, y2: top + tall, visibility: "hidden" });
  const tip = h("div", { class: "tip", hidden: true });
  root.append(mark);
  root.addEventListener("mousemove", (event) => {
    const inside = event.clientX - root.getBoundingClientRect().left;
    let nearest = 0;
    labels.forEach((_, at) => { if (Math.abs(x(at) - inside) < Math.abs(x(nearest) - inside)) nearest = at; });
    mark.setAttribute("x1", x(nearest));
    mark.setAttribute("x2", x(nearest));
    mark.setAttribute("visibility", "visible");
    tip.textContent = [labels[nearest], ...series.map((one) => `${one.name}  ${one.values[nearest] ?? "null"}`)].join("\n");
    if (!tip.isConnected) root.parentNode.append(tip);
    tip.hidden = false;
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.max(4, event.clientY - tip.offsetHeight - 10)}px`;
  });
  root.addEventListener("mouseleave", () => { tip.hidden = true; mark.setAttribute("visibility", "hidden"); });
}

/** A small line without axes; `values` oldest first. */
export function sparkline(values, width = 120, height = 22, which = 0) {
  const root = svg("svg", { width, height, "aria-hidden": "true" });
  const finite = values.filter(Number.isFinite);
  if (finite.length < 2) {
    root.append(svg("line", { class: "axis", x1: 0, x2: width, y1: height - 2, y2: height - 2 }));
    return root;
  }
  const high = Math.max(...finite, 1);
  const step = width / (values.length - 1);
  const points = values.map((n, at) => `${(at * step).toFixed(1)},${(height - 2 - ((Number.isFinite(n) ? n : 0) / high) * (height - 4)).toFixed(1)}`);
  root.append(svg("polygon", { points: `0,${height - 2} ${points.join(" ")} ${width},${height - 2}`, fill: colour(which), opacity: 0.13 }),
    svg("polyline", { points: points.join(" "), fill: "none", stroke: colour(which), "stroke-width": 1.3, "stroke-linejoin": "round" }));
  return root;
}
