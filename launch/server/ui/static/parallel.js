// @ts-check
/**
 * Parallel coordinates: a line a run over an axis a column, coloured by the metric. A stretch of an axis that is drawn
 * over with the pointer becomes a condition of the filter, so that table and drawings show the same runs.
 */

import { busy, conditions, drag, held, stretch } from "./brush.js";
import { chooser, select } from "./choose.js";
import { found } from "./chosen.js";
import { named, scale as viridis } from "./colours.js";
import { el, put, svg } from "./dom.js";
import { replaced } from "./filter.js";
import { short } from "./format.js";
import { paper } from "./paper.js";
import { canTurn, scaleOf, turn } from "./scale.js";
import { read, readAll, write } from "./state.js";

/** @typedef {import("./scale.js").Scale} Scale */

const [HEIGHT, TOP, BOTTOM, SIDE, WORDS, LEAST] = [376, 44, 40, 60, 112, 96];
const MISSING = -0.075; // below an axis: where a run without a value passes
const SHADES = 24;
const MOST_AXES = 8;

/**
 * The drawing in an element, with its controls; returns what draws it again.
 * @param {HTMLElement} host
 * @param {import("./model.js").Model} model
 * @returns {() => void}
 */
export function parallel(host, model) {
  const sheet = el("div", { class: "drawing", tabindex: 0, role: "region", "aria-label": "Parallel coordinates" });
  const options = () => [...model.frame.columns.values()].filter(({ key }) => key !== "run.name").map(({ key, name, path }) => ({ key, name, title: path }));
  const pick = chooser("Axes", options, () => axes().map(({ key }) => key), (axis) => {
    write({ axis });
    draw();
  });
  const hint = el("span", { class: "hint" }, "Draw over an axis to narrow; press its name for log or linear.");
  const clear = el("button", { type: "button", onclick: () => model.narrow("") }, "Show all");
  const ends = el("span");
  put(host, el("div", { class: "bar" }, pick, ends, clear, hint), sheet);

  function controls() {
    const { columns, metric } = model.frame;
    if (!columns.has(`history.max of ${metric?.name}`) || ends.matches(":focus-within")) return;
    const options = ["last", "min", "max"].map((key) => ({ key, name: key, title: `${key} of ${metric?.name} in each run` }));
    put(ends, select("colour by its", options, read("end", "last"), (end) => {
      write({ end: end === "last" ? null : end });
      draw();
    }));
  }

  /** The metric: its last value, or the smallest or the largest that a run has logged. */
  function result() {
    return model.frame.columns.get(`history.${read("end")} of ${model.frame.metric?.name}`) ?? model.frame.result;
  }

  function axes() {
    const keys = readAll("axis");
    if (keys !== null) return found(model, keys);
    const { grouping, factors } = model.frame;
    const first = (grouping.length ? grouping : factors).slice(0, MOST_AXES);
    const last = result();
    return last ? [...first, last] : first;
  }

  function draw() {
    if (busy()) return; // what comes meanwhile is drawn when the stretch is
    const { frame } = model;
    controls();
    const scales = axes().map((column) => scaleOf(column));
    if (scales.length < 2 || frame.count === 0) {
      put(sheet, el("p", { class: "empty" }, "Two axes at least: nothing varies yet, or none was chosen."));
      return;
    }
    const first = scales[0].kind === "levels" ? WORDS : SIDE; // room for the names of levels
    const made = paper(sheet, `Parallel coordinates of ${model.rows.length} runs`, HEIGHT, SIDE + first + LEAST * (scales.length - 1));
    const gap = (made.width - SIDE - first) / (scales.length - 1);
    const x = (/** @type {number} */ index) => first + gap * index;
    const y = (/** @type {number} */ place) => HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM);
    const last = scales[scales.length - 1];
    const colour = scales.find(({ column }) => column === result()) ?? last;
    const shown = new Set(model.rows);
    const away = shown.size < frame.count ? frame.names.map((_, run) => run).filter((run) => !shown.has(run)) : [];
    const line = (/** @type {number} */ run) => {
      for (const [index, scale] of scales.entries()) {
        const place = scale.place(scale.column.values[run]) ?? MISSING;
        if (index) made.pen.lineTo(x(index), y(place));
        else made.pen.moveTo(x(index), y(place));
      }
    };
    const stroke = (/** @type {number[]} */ runs, /** @type {string} */ style) => {
      made.pen.strokeStyle = style;
      made.pen.beginPath();
      for (const run of runs) line(run);
      made.pen.stroke();
    };
    made.pen.lineWidth = 1;
    if (away.length) stroke(away, named("line"));
    const alpha = Math.max(0.12, Math.min(0.85, 60 / Math.sqrt(1 + model.rows.length) / 4));
    /** @type {number[][]} */
    const shades = Array.from({ length: SHADES + 1 }, () => []);
    for (const run of model.rows) {
      const place = colour.place(colour.column.values[run]);
      shades[place === null ? SHADES : Math.min(SHADES - 1, Math.floor(place * SHADES))].push(run);
    }
    for (const [index, runs] of shades.entries()) {
      if (runs.length) stroke(runs, index === SHADES ? named("soft") : viridis((index + 0.5) / SHADES, alpha));
    }
    put(made.over, ...scales.map((scale, index) => axis(scale, x(index), y, Math.min(gap, 130), scale === last)));
  }

  /**
   * @param {Scale} scale
   * @param {number} left
   * @param {(place: number) => number} y
   * @param {number} room
   * @param {boolean} right whether the values stand at its right
   */
  function axis(scale, left, y, room, right) {
    const { column } = scale;
    const missing = model.rows.some((run) => scale.place(column.values[run]) === null);
    const ticks = missing ? [...scale.ticks, { place: MISSING, text: "–", whole: "no value" }] : scale.ticks;
    const press = canTurn(scale) ? () => { turn(column); draw(); } : null;
    const name = svg("text", { class: "title", x: left, y: 14, "text-anchor": "middle", onclick: press ?? (() => {}) }, svg("title", {}, column.path), short(column.name, Math.floor(room / 7)));
    const kind = svg("text", { x: left, y: 28, "text-anchor": "middle" }, scale.kind === "log" ? "log" : "");
    const marks = ticks.flatMap(({ place, text, whole }) => [
      svg("line", { x1: right ? left + 4 : left - 4, x2: left, y1: y(place), y2: y(place) }),
      svg("text", { x: right ? left + 7 : left - 7, y: y(place) + 4, "text-anchor": right ? "start" : "end", class: "mark-text" }, svg("title", {}, whole), text),
    ]);
    const brush = svg("rect", { class: "brush", x: left - 6, width: 12, y: 0, height: 0, visibility: "hidden" });
    const stretched = held(scale, model.filter.conditions.filter((item) => item.column === column));
    if (stretched !== null) stretch(brush, y, stretched);
    const grab = svg("rect", { class: "catch", x: left - 14, width: 28, y: y(1) - 6, height: y(0) - y(1) + 12 });
    drag(grab, brush, y, (low, high) => model.narrow(replaced(model.text, model.frame, column, conditions(scale, low, high))));
    return svg("g", {}, svg("line", { x1: left, x2: left, y1: y(1), y2: y(0) }), ...marks, name, kind, brush, grab);
  }

  return draw;
}
