// @ts-check
/**
 * Dots, lines of means and axes on a sheet, and the note on the dot that is nearest to the pointer.
 */

import { put, svg } from "./dom.js";
import { note, paper } from "./paper.js";
import { scaleOf } from "./scale.js";

/** @typedef {import("./frame.js").Column} Column */
/** @typedef {import("./paper.js").Paper} Paper */
/** @typedef {import("./scale.js").Scale} Scale */
/** @typedef {{run: number, x: number, y: number, hue: string}} Dot */
/** @typedef {{x: Column, y: Column, runs: number[], hues: import("./means.js").Hues, lines: import("./means.js").Line[], words: (run: number) => string[], open: (run: number) => void}} Plot */

const [HEIGHT, TOP, BOTTOM, LEFT, RIGHT] = [380, 14, 48, 78, 18];
const MANY = 2000;
const NEAR = 16;
const BESIDE = 5;

/**
 * Draw it all anew.
 * @param {HTMLElement} host
 * @param {Plot} plot
 */
export function plotted(host, plot) {
  const { x, y, runs, hues, lines } = plot;
  const [across, up] = [scaleOf(x), scaleOf(y)];
  const sheet = paper(host, `${y.path} over ${x.path} of ${runs.length} runs`, HEIGHT);
  const left = (/** @type {number} */ place) => LEFT + place * (sheet.width - LEFT - RIGHT);
  const top = (/** @type {number} */ place) => HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM);
  /** @type {Dot[]} */
  const dots = [];
  for (const run of runs) {
    const [one, other] = [across.place(x.values[run]), up.place(y.values[run])];
    if (one !== null && other !== null) dots.push({ run, x: left(one), y: top(other), hue: hues.of(run) });
  }
  spots(sheet.pen, dots, lines.length > 0);
  for (const [index, line] of lines.entries()) {
    const beside = BESIDE * (index - (lines.length - 1) / 2);
    const points = line.points.map((point) => ({
      x: left(across.place(point.x) ?? NaN) + beside,
      y: top(up.place(point.mean) ?? NaN),
      low: top(up.place(point.mean - point.half) ?? -Infinity),
      high: top(up.place(point.mean + point.half) ?? NaN),
    }));
    drawn(sheet.pen, line.hue, points.filter((point) => Number.isFinite(point.x + point.y)), across.kind !== "levels");
  }
  axes(sheet, across, up, left, top);
  hover(sheet, dots, plot);
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {Dot[]} dots
 * @param {boolean} faint
 */
function spots(pen, dots, faint) {
  const many = dots.length > MANY;
  pen.globalAlpha = faint ? 0.35 : many ? 0.5 : 0.85;
  for (const { x, y, hue } of dots) {
    pen.fillStyle = hue;
    pen.beginPath();
    pen.arc(x, y, many ? 1.6 : 2.8, 0, 7);
    pen.fill();
  }
  pen.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {string} hue
 * @param {{x: number, y: number, low: number, high: number}[]} points
 * @param {boolean} joined
 */
function drawn(pen, hue, points, joined) {
  Object.assign(pen, { strokeStyle: hue, fillStyle: hue, lineWidth: 2 });
  pen.beginPath();
  if (joined) for (const { x, y } of points) pen.lineTo(x, y);
  for (const { x, low, high } of points) {
    if (Number.isNaN(low + high)) continue;
    const [bottom, top] = [Math.min(low, HEIGHT - BOTTOM), Math.max(high, TOP)];
    pen.moveTo(x, bottom);
    pen.lineTo(x, top);
    for (const [end, drawnTo] of [[low, bottom], [high, top]]) {
      if (end !== drawnTo) continue; // cut at the edge: it goes on
      pen.moveTo(x - 3, end);
      pen.lineTo(x + 3, end);
    }
  }
  pen.stroke();
  for (const { x, y } of points) pen.fillRect(x - 3, y - 3, 6, 6);
}

/**
 * @param {Paper} sheet
 * @param {Scale} across
 * @param {Scale} up
 * @param {(place: number) => number} left
 * @param {(place: number) => number} top
 */
function axes(sheet, across, up, left, top) {
  const name = (/** @type {Scale} */ { column, kind }) => column.name + (kind === "log" ? " (log)" : "");
  const [floor, wall] = [top(0) + 6, LEFT - 6];
  const words = (/** @type {object} */ at, /** @type {import("./scale.js").Tick} */ { text, whole }) =>
    svg("text", at, svg("title", {}, whole), text);
  put(
    sheet.over,
    svg("line", { x1: wall, x2: sheet.width - RIGHT, y1: floor, y2: floor }),
    svg("line", { x1: wall, x2: wall, y1: TOP, y2: floor }),
    ...across.ticks.map((tick) => words({ x: left(tick.place), y: floor + 15, "text-anchor": "middle" }, tick)),
    ...up.ticks.map((tick) => words({ x: wall - 5, y: top(tick.place) + 4, "text-anchor": "end" }, tick)),
    svg("text", { class: "title", x: (LEFT + sheet.width) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, name(across)),
    svg("text", { class: "title", x: -HEIGHT / 2, y: 13, "text-anchor": "middle", transform: "rotate(-90)" }, name(up)),
  );
}

/**
 * @param {Paper} sheet
 * @param {Dot[]} dots
 * @param {Plot} plot
 */
function hover(sheet, dots, { words, open }) {
  const canvas = sheet.pen.canvas;
  const nearest = (/** @type {MouseEvent} */ { offsetX, offsetY }) => {
    let [found, best] = [/** @type {Dot | null} */ (null), NEAR * NEAR];
    for (const dot of dots) {
      const far = (dot.x - offsetX) ** 2 + (dot.y - offsetY) ** 2;
      if (far < best) [found, best] = [dot, far];
    }
    return found;
  };
  canvas.onpointermove = (event) => {
    const dot = nearest(event);
    canvas.style.cursor = dot === null ? "default" : "pointer";
    note(sheet, dot, ...(dot === null ? [] : words(dot.run).flatMap((text, index) => (index ? [document.createElement("br"), text] : [text]))));
  };
  canvas.onpointerleave = () => note(sheet, null);
  canvas.onclick = (event) => {
    const dot = nearest(event);
    if (dot !== null) open(dot.run);
  };
}
