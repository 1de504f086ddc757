// @ts-check
/**
 * Stretches of an axis that the pointer draws, and the conditions that they mean.
 */

import { condition } from "./filter.js";

/** @typedef {import("./scale.js").Scale} Scale */

const LEAST = 4;
let drawing = false;

/** Whether somebody draws a stretch right now: what is under the pointer must stay. */
export function busy() {
  return drawing;
}

/**
 * Let a rectangle be drawn over an axis; a mere press clears it. `y`: from a place (0 to 1) to pixels.
 * @param {SVGElement} grab
 * @param {SVGElement} brush
 * @param {(place: number) => number} y
 * @param {(low: number, high: number) => void} done places; both NaN where it is cleared
 */
export function drag(grab, brush, y, done) {
  /** @type {number | null} */
  let from = null;
  const place = (/** @type {PointerEvent} */ event) => {
    const box = grab.getBoundingClientRect();
    const inner = event.clientY - box.top - (y(1) - Number(grab.getAttribute("y"))) ;
    return Math.max(0, Math.min(1, 1 - inner / (y(0) - y(1))));
  };
  grab.addEventListener("pointerdown", (event) => {
    grab.setPointerCapture(event.pointerId);
    from = place(event);
    drawing = true;
  });
  grab.addEventListener("pointercancel", () => {
    from = null;
    drawing = false;
  });
  grab.addEventListener("pointermove", (event) => {
    if (from !== null) stretch(brush, y, [Math.min(from, place(event)), Math.max(from, place(event))]);
  });
  grab.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const [low, high] = [Math.min(from, place(event)), Math.max(from, place(event))];
    from = null;
    drawing = false;
    if (Math.abs(y(low) - y(high)) < LEAST) done(NaN, NaN);
    else done(low, high);
  });
}

/**
 * @param {SVGElement} brush
 * @param {(place: number) => number} y
 * @param {[number, number]} places
 */
export function stretch(brush, y, [low, high]) {
  brush.setAttribute("visibility", "visible");
  brush.setAttribute("y", String(y(high)));
  brush.setAttribute("height", String(Math.max(2, y(low) - y(high))));
}

/**
 * The conditions that a stretch of an axis means: bounds of a number, or the levels within.
 * @param {Scale} scale
 * @param {number} low
 * @param {number} high
 * @returns {string[]}
 */
export function conditions(scale, low, high) {
  const { column, kind, ends, levels } = scale;
  if (Number.isNaN(low)) return [];
  if (kind === "levels") {
    const within = levels.filter((_, index) => low <= (index + 0.5) / levels.length && (index + 0.5) / levels.length <= high);
    return within.length ? [condition(column, "=", within)] : [];
  }
  const at = (/** @type {number} */ place) => {
    const value = kind === "log" ? ends[0] * (ends[1] / ends[0]) ** place : ends[0] + (ends[1] - ends[0]) * place;
    return Number(value.toPrecision(4));
  };
  const lower = low > 0 ? [condition(column, ">=", [at(low)])] : [];
  return high < 1 ? [...lower, condition(column, "<=", [at(high)])] : lower;
}

/**
 * The stretch of an axis that conditions hold, as places; null where they hold none.
 * @param {Scale} scale
 * @param {import("./filter.js").Condition[]} held
 * @returns {[number, number] | null}
 */
export function held(scale, held) {
  if (held.length === 0) return null;
  if (scale.kind === "levels") {
    const places = held[0].values.map((value) => scale.levels.findIndex((level) => String(level) === value));
    const known = places.filter((index) => index >= 0);
    const width = 1 / Math.max(1, scale.levels.length);
    return known.length ? [Math.min(...known) * width, (Math.max(...known) + 1) * width] : null;
  }
  /** @type {(sign: string, end: number) => number} */
  const at = (sign, end) => {
    const bound = held.find(({ op }) => op.startsWith(sign) || op === "=");
    const place = bound === undefined ? null : scale.place(Number(bound.values[0]));
    return place === null ? end : Math.max(0, Math.min(1, place));
  };
  return [at(">", 0), at("<", 1)];
}
