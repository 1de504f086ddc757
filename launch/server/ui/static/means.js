// @ts-check
/**
 * Colours of runs by a column, and the lines through the means of runs that share an x: their replicates.
 */

import { named, nth, scale as viridis } from "./colours.js";
import { el, put } from "./dom.js";
import { number, short, value } from "./format.js";
import { scaleOf } from "./scale.js";
import { grouped, sorted, summary } from "./stats.js";

/** @typedef {import("./frame.js").Column} Column */
/** @typedef {import("./frame.js").Scalar} Scalar */
/** @typedef {{column: Column | null, levels: Scalar[] | null, of: (run: number) => string}} Hues */
/** @typedef {{hue: string, points: {x: Scalar, mean: number, half: number, n: number}[]}} Line */

const MOST_LEVELS = 8;
const MOST_POINTS = 60;

/**
 * The colour of each run: one of eight where a column has so few levels, else a place on a scale.
 * @param {Column | null} column
 * @returns {Hues}
 */
export function huesOf(column) {
  if (column === null) return { column, levels: null, of: () => nth(0) };
  const levels = sorted([...new Set(column.values)].filter((level) => level !== null), (level) => level, false);
  if (levels.length <= MOST_LEVELS) {
    /** @type {Map<Scalar, string>} */
    const places = new Map(levels.map((level, index) => [level, nth(index)]));
    return { column, levels, of: (run) => places.get(column.values[run]) ?? named("soft") };
  }
  const scale = scaleOf(column);
  const of = (/** @type {number} */ run) => {
    const place = scale.place(column.values[run]);
    return place === null ? named("soft") : viridis(place);
  };
  return { column, levels: null, of };
}

/**
 * Lines through the means of y over x, one for each colour; none where x has too many values for that.
 * @param {number[]} runs
 * @param {Column} x
 * @param {Column} y
 * @param {Hues} hues
 * @returns {Line[]}
 */
export function means(runs, x, y, hues) {
  if (hues.column !== null && hues.levels === null) return [];
  if (new Set(runs.map((run) => x.values[run])).size > MOST_POINTS) return [];
  const lines = hues.column === null ? [{ runs, levels: [] }] : grouped(runs, [hues.column]);
  return lines.map((line) => {
    const points = grouped(line.runs, [x]).map((group) => ({ x: group.levels[0], ...summary(y, group.runs) }));
    const kept = points.filter((point) => point.n > 0 && point.x !== null);
    return { hue: hues.of(line.runs[0]), points: sorted(kept, (point) => point.x, false) };
  });
}

/**
 * What the colours mean.
 * @param {HTMLElement} host
 * @param {Hues} hues
 */
export function legend(host, { column, levels }) {
  if (column === null) {
    put(host);
    return;
  }
  if (levels !== null) {
    const items = levels.map((level, index) => {
      const spot = el("i", { style: { background: nth(index) } });
      return el("span", { title: value(level) }, spot, short(value(level), 24));
    });
    put(host, el("b", { title: column.path }, short(column.name, 24)), ...items);
    return;
  }
  const { ends } = scaleOf(column);
  const steps = Array.from({ length: 9 }, (_, index) => viridis(index / 8)).join(", ");
  const strip = el("i", { style: { width: "8rem", background: `linear-gradient(to right, ${steps})` } });
  put(host, el("b", { title: column.path }, short(column.name, 24)), el("span", {}, `${number(ends[0])} `, strip, ` ${number(ends[1])}`));
}
