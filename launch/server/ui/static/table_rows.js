// @ts-check
/**
 * The rows of the table of runs: a run each, or a group each with means and intervals.
 */

import { el } from "./dom.js";
import { number } from "./format.js";
import { gridColumn, shownValue, steady, width } from "./shown_columns.js";
import { grouped, sorted, summary } from "./stats.js";

/** @typedef {import("./frame.js").Column} Column */
/** @typedef {import("./frame.js").Frame} Frame */
/** @typedef {import("./stats.js").Group} Group */
/** @typedef {{frame: Frame, rows: number[], chosen: Column[], order: string, sortBy: (key: string) => void}} Wanted */

/**
 * A run a row. `tick` and `link` make the first two cells of a run.
 * @param {Wanted} wanted
 * @param {{tick: (run: number) => Node, link: (run: number) => Node}} cells
 * @returns {import("./grid.js").Shown}
 */
export function runRows({ frame, rows: shown, chosen, order, sortBy }, { tick, link }) {
  const by = frame.columns.get(order.replace(/^-/, ""));
  const rows = by ? sorted(shown, (row) => by.values[row], order.startsWith("-")) : shown;
  /** @type {(column: Column) => import("./grid.js").GridColumn} */
  const of = (column) =>
    gridColumn(column, frame, (row) => shownValue(column, column.values[rows[row]]), steady(column));
  const names = of(/** @type {Column} */ (frame.columns.get("run.name")));
  const narrow = matchMedia("(max-width: 700px)").matches;
  const state = frame.columns.get("run.state");
  const states = state ? [{ ...of(state), width: 104 }] : [];
  const rest = chosen.filter((column) => column !== state && !(narrow && column === frame.target)).map(of);
  const width = narrow ? Math.min(names.width, 130) : names.width;
  const columns = [
    { key: "", name: "", title: "compare", width: 34, fixed: true, cell: (/** @type {number} */ row) => tick(rows[row]) },
    { ...names, name: "Run", title: "run", fixed: true, width, cell: (/** @type {number} */ row) => link(rows[row]) },
    ...(narrow && frame.target ? [of(frame.target)] : []),
    ...states,
    ...rest,
  ];
  return { columns, count: rows.length, sort: order, label: "Runs", sortBy };
}

/**
 * A group a row: the levels of its factors, how many runs, and the mean of each result. `only` makes the cell that
 * leads to the runs of a group.
 * @param {Wanted} wanted
 * @param {Column[]} by
 * @param {(group: Group) => Node} only
 * @returns {import("./grid.js").Shown}
 */
export function groupRows({ frame, rows: shown, chosen, order, sortBy }, by, only) {
  const results = chosen.filter((column) => column.numeric && column.kind === "summary" && !by.includes(column));
  const groups = grouped(shown, by).map((group) => ({
    ...group,
    means: new Map(results.map((column) => [column.key, summary(column, group.runs)])),
  }));
  const wanted = order.replace(/^-/, "");
  const place = by.findIndex((column) => column.key === wanted);
  /** @type {(group: typeof groups[0]) => import("./frame.js").Scalar} */
  const value = (group) => {
    if (place >= 0) return group.levels[place];
    return wanted === "n" ? group.runs.length : (group.means.get(wanted)?.mean ?? null);
  };
  const rows = sorted(groups, value, order.startsWith("-"));
  const levels = by.map((column, index) => {
    const cell = (/** @type {number} */ row) => shownValue(column, rows[row].levels[index]);
    return { ...gridColumn(column, frame, cell, steady(column)), fixed: index < 1 };
  });
  const cell = (/** @type {number} */ row) => only(rows[row]);
  const size = { key: "n", name: "n", title: "runs in the group", width: 64, number: true, cell };
  const means = results.map((column) =>
    gridColumn(column, frame, (row) => mean(rows[row].means.get(column.key)), width(column, column.name, (row) => words(rows[row].means.get(column.key)), rows.length)));
  return { columns: [...levels, size, ...means], count: rows.length, sort: order, label: "Groups of runs", sortBy };
}

/**
 * A mean with its interval; the rest on hover.
 * @param {import("./stats.js").Summary | undefined} found
 * @returns {Node | string}
 */
export function mean(found) {
  if (found === undefined || found.n === 0) return "–";
  const range = `mean of ${found.n}, ${number(found.low)} to ${number(found.high)}; ± is the 95 % interval`;
  return el("span", { title: range }, words(found));
}

/** @param {import("./stats.js").Summary | undefined} found */
function words(found) {
  if (found === undefined || found.n === 0) return "–";
  return number(found.mean) + (Number.isNaN(found.half) ? "" : ` ± ${number(Number(found.half.toPrecision(2)))}`);
}
