// @ts-check
/**
 * Curves as uPlot takes them, and as words for those who do not see them.
 */

import { nth } from "./colours.js";
import { number } from "./format.js";

/** @typedef {import("./chart.js").Line} Line */

/**
 * Lines as uPlot has them: one x for all, and of each the highest, the lowest and the mean.
 * @param {Line[]} lines
 * @param {boolean} log
 */
export function told(lines, log) {
  const kept = (/** @type {(number | null)[]} */ column) => (log ? column.map((v) => (v !== null && v > 0 ? v : null)) : column);
  const tables = lines.map(({ curve }) => [curve.x, ...[curve.high ?? curve.mean, curve.low ?? curve.mean, curve.mean].map(kept)]);
  const data = tables.length === 1 ? tables[0] : tables.length ? /** @type {any} */ (window).uPlot.join(tables) : [[]];
  const series = lines.flatMap((line, index) => {
    const colour = line.colour ?? nth(index);
    const edge = { stroke: pale(colour), width: line.curve.high ? 1 : 0, points: { show: false } };
    const alone = line.curve.x.length < 2;
    return [edge, edge, { stroke: colour, width: line.faint ? 1 : 1.6, points: { show: alone, size: 6, fill: colour } }];
  });
  const bands = lines.map((line, index) => ({ series: [3 * index + 1, 3 * index + 2], fill: pale(line.colour ?? nth(index)) }));
  return { data, series, bands: lines.some(({ curve }) => curve.high) ? bands : [] };
}

/** @param {string} colour */
function pale(colour) {
  return colour.replace("rgb(", "rgba(").replace(")", ", 0.18)");
}

/** @param {number[]} values */
export function ends(values) {
  return values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
}

/** @param {Line[]} lines @param {number[]} values */
export function spoken(lines, values) {
  const names = lines.length > 4 ? `${lines.length} curves` : lines.map((line) => line.name).join(", ");
  if (values.length === 0) return `${names}: nothing to draw`;
  const [low, high] = ends(values);
  return `${names} over steps, from ${number(low)} to ${number(high)}`;
}
