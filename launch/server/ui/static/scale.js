// @ts-check
/**
 * Axes of drawings: where a value stands between the ends (0 to 1), on a linear or a log scale or by its level, and what
 * is written beside it.
 */

import { number, short, value as words } from "./format.js";
import { readAll, write } from "./state.js";

/** @typedef {import("./frame.js").Column} Column */
/** @typedef {import("./frame.js").Scalar} Scalar */
/** @typedef {{place: number, text: string, whole: string}} Tick */
/** @typedef {{column: Column, kind: "linear" | "log" | "levels", ends: [number, number], levels: Scalar[], ticks: Tick[], place: (value: Scalar | undefined) => number | null}} Scale */

const MOST_LEVELS = 30;
const DECADES = 100;
const FEW = 8;

/**
 * The scale of a column over all runs. Positive numbers over two decades or more are on a log scale unless somebody
 * turns that over; texts, and columns of both, go by level.
 * @param {Column} column
 * @param {boolean} [loggable]
 * @returns {Scale}
 */
export function scaleOf(column, loggable = true) {
  const numbers = column.values.filter((value) => typeof value === "number");
  if (!column.numeric || numbers.length === 0) return byLevel(column);
  let [low, high] = [Infinity, -Infinity];
  for (const value of numbers) {
    low = Math.min(low, Number(value));
    high = Math.max(high, Number(value));
  }
  const wide = loggable && low > 0 && high / low >= DECADES;
  const log = low > 0 && wide !== isTurned(column);
  if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - Math.abs(low || 1) / 2, high + Math.abs(high || 1) / 2];
  const at = log ? Math.log : (/** @type {number} */ value) => value;
  const [first, span] = [at(low), at(high) - at(low)];
  /** @param {Scalar | undefined} value */
  const place = (value) => {
    if (typeof value !== "number" || (log && value <= 0)) return null;
    return (at(value) - first) / span;
  };
  const few = [...new Set(numbers)].sort((one, other) => Number(one) - Number(other));
  const marks = few.length <= FEW ? few.map(Number) : log ? decades(low, high) : steps(low, high);
  const ticks = marks.map((mark) => ({ place: Number(place(mark)), text: number(mark), whole: String(mark) }));
  return { column, kind: log ? "log" : "linear", ends: [low, high], levels: [], ticks, place };
}

/**
 * Whether an axis can be turned from linear to log.
 * @param {Scale} scale
 */
export function canTurn({ kind, ends }) {
  return kind !== "levels" && ends[0] > 0;
}

/**
 * Turn an axis from linear to log or back; the address keeps it.
 * @param {Column} column
 */
export function turn(column) {
  const turned = readAll("turn") ?? [];
  const without = turned.filter((key) => key !== column.key);
  const now = without.length === turned.length ? [...turned, column.key] : without;
  write({ turn: now.length ? now : null });
}

/** @param {Column} column */
function isTurned(column) {
  return (readAll("turn") ?? []).includes(column.key);
}

/**
 * @param {Column} column
 * @returns {Scale}
 */
function byLevel(column) {
  const seen = [...new Set(column.values)].filter((value) => value !== null && value !== undefined);
  const levels = seen.sort(order).slice(0, MOST_LEVELS);
  /** @type {Map<Scalar, number>} */
  const places = new Map(levels.map((level, index) => [level, (index + 0.5) / levels.length]));
  const ticks = levels.map((level) => ({ place: Number(places.get(level)), text: short(words(level), 16), whole: words(level) }));
  return { column, kind: "levels", ends: [0, levels.length], levels, ticks, place: (value) => places.get(value ?? null) ?? null };
}

/**
 * @param {Scalar} one
 * @param {Scalar} other
 */
function order(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one) < String(other) ? -1 : 1;
}

/**
 * Powers of ten from low to high, some left out if there are many; both ends where there is none.
 * @param {number} low
 * @param {number} high
 */
function decades(low, high) {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const every = Math.max(1, Math.ceil((last - first + 1) / FEW));
  const found = [];
  for (let power = first; power <= last; power += every) found.push(Number(`1e${power}`));
  return found.length > 1 ? found : [low, high];
}

/**
 * Round numbers from low to high, about five.
 * @param {number} low
 * @param {number} high
 */
function steps(low, high) {
  const raw = (high - low) / 5;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((width) => width >= raw) ?? raw;
  const found = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index++) found.push(Number((index * step).toPrecision(12)));
  return found;
}
