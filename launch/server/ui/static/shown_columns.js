// @ts-check
/**
 * How a run's values stand in a table: which columns unless somebody chooses, how wide, and as what text.
 */

import { el } from "./dom.js";
import { ago, duration, number, short, stamp, value } from "./format.js";

/** @typedef {import("./frame.js").Frame} Frame */
/** @typedef {import("./frame.js").Column} Column */
/** @typedef {import("./grid.js").GridColumn} GridColumn */

const MOST_FACTORS = 12;
const MOST_RESULTS = 8;
const SAMPLE = 200;
const LETTER = 7.9;
const LONGEST = 26;
const BOLD = 1.1;
const MANY = 500;

/**
 * The metric, what varies, some other numbers, and when: what matters stands first, whatever the window's width.
 * @param {Frame} frame
 * @returns {Column[]}
 */
export function usual(frame) {
  const target = frame.target;
  const results = [...frame.columns.values()].filter(
    (column) => column.kind === "summary" && column.numeric && column !== target,
  );
  const rest = ["run.group", "run.tags", "run.runtime", "run.created"].map((key) => frame.columns.get(key));
  const all = [target, ...frame.factors.slice(0, MOST_FACTORS), ...results.slice(0, MOST_RESULTS), ...rest];
  return all.filter((column) => column !== null && column !== undefined);
}

/**
 * The cell of a value.
 * @param {Column} column
 * @param {import("./frame.js").Scalar | undefined} cell
 * @returns {Node | string}
 */
export function shownValue(column, cell) {
  if (cell === null || cell === undefined) return "–";
  if (column.key === "run.state") return el("span", { class: `state ${cell}` }, String(cell));
  if (typeof cell === "number") {
    if (column.key === "run.created") return el("span", { title: stamp(cell) }, ago(cell));
    if (column.key === "run.runtime") return duration(cell);
    return el("span", { title: String(cell) }, number(cell));
  }
  const text = value(cell);
  return text.length > LONGEST ? el("span", { title: text }, short(text, LONGEST)) : text;
}

/**
 * A column as wide as what it holds, within bounds.
 * @param {Column} column
 * @param {string} title
 * @param {(row: number) => string} text
 * @param {number} count
 * @returns {number}
 */
export function width(column, title, text, count) {
  let letters = short(title, 22).length + 2;
  const step = Math.max(1, Math.floor(count / SAMPLE));
  for (let row = 0; row < count; row += step) letters = Math.max(letters, Math.min(LONGEST, text(row).length));
  return Math.round(LETTER * letters + 26);
}

/** @type {WeakMap<Column, {count: number, width: number}>} */
const known = new WeakMap();

/**
 * A column as wide as its values in all runs, whatever the filter: of many runs it is
 * counted once.
 * @param {Column} column
 * @returns {number}
 */
export function steady(column) {
  const count = column.values.length;
  const found = known.get(column);
  if (found !== undefined && count < 1.1 * found.count) return found.width;
  const made = width(column, column.name, (row) => plain(column, column.values[row] ?? null), count);
  if (count >= MANY) known.set(column, { count, width: made });
  return made;
}

/**
 * A column of the frame as one of the table's.
 * @param {Column} column
 * @param {Frame} frame
 * @param {(row: number) => import("./dom.js").Child} cell
 * @param {number} wide
 * @returns {GridColumn}
 */
export function gridColumn(column, frame, cell, wide) {
  return {
    key: column.key,
    name: short(column.name, 22),
    title: column.path,
    width: Math.round(wide * (column === frame.target ? BOLD : 1)),
    number: column.numeric,
    mark: column === frame.target,
    cell,
  };
}

/**
 * The text that decides how wide a cell is.
 * @param {Column} column
 * @param {import("./frame.js").Scalar} cell
 * @returns {string}
 */
export function plain(column, cell) {
  if (column.key === "run.created") return "00 min ago";
  if (column.key === "run.runtime") return "00 min 00 s";
  return typeof cell === "number" ? number(cell) : value(cell);
}
