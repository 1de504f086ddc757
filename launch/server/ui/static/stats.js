// @ts-check
/**
 * Means with their 95 % interval (Student's t), groups of runs, and orders in which what is missing comes last.
 */

/** @typedef {import("./frame.js").Column} Column */
/** @typedef {{n: number, mean: number, half: number, low: number, high: number}} Summary */
/** @typedef {{runs: number[], levels: (string | number | boolean | null)[]}} Group */

/** The 97.5 % points of Student's t for 1 to 30 degrees of freedom. */
const T = [
  12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281, 2.201, 2.1788, 2.1604, 2.1448, 2.1314,
  2.1199, 2.1098, 2.1009, 2.093, 2.086, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
];
const Z = 1.959964;

/**
 * The 97.5 % point of Student's t; beyond the table by the expansion in 1/df (Abramowitz and Stegun, 26.7.5).
 * @param {number} df
 * @returns {number}
 */
export function t(df) {
  if (df <= T.length) return df < 1 ? NaN : T[df - 1];
  const second = (5 * Z ** 5 + 16 * Z ** 3 + 3 * Z) / (96 * df ** 2);
  return Z + (Z ** 3 + Z) / (4 * df) + second + (3 * Z ** 7 + 19 * Z ** 5 + 17 * Z ** 3 - 15 * Z) / (384 * df ** 3);
}

/**
 * The numbers of a column over some runs: how many, their mean, half the width of its interval (NaN for one number),
 * the smallest and the largest.
 * @param {Column} column
 * @param {number[]} runs
 * @returns {Summary}
 */
export function summary(column, runs) {
  let [n, mean, squares, low, high] = [0, 0, 0, Infinity, -Infinity];
  for (const run of runs) {
    const value = column.values[run];
    if (typeof value !== "number") continue;
    n += 1;
    const off = value - mean;
    mean += off / n;
    squares += off * (value - mean);
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const half = n > 1 ? (t(n - 1) * Math.sqrt(squares / (n - 1))) / Math.sqrt(n) : NaN;
  return { n, mean: n ? mean : NaN, half, low, high };
}

/**
 * Runs with equal levels of all factors, in the order in which they first come.
 * @param {number[]} runs
 * @param {Column[]} factors
 * @returns {Group[]}
 */
export function grouped(runs, factors) {
  /** @type {Map<string, Group>} */
  const found = new Map();
  for (const run of runs) {
    const levels = factors.map((column) => column.values[run]);
    const key = JSON.stringify(levels);
    const group = found.get(key);
    if (group === undefined) found.set(key, { runs: [run], levels });
    else group.runs.push(run);
  }
  return [...found.values()];
}

/**
 * Items by a value: numbers before texts, what is missing or no number last, equal ones as they were.
 * @template V
 * @param {V[]} items
 * @param {(item: V) => string | number | boolean | null} value
 * @param {boolean} descending
 * @returns {V[]}
 */
export function sorted(items, value, descending) {
  const sign = descending ? -1 : 1;
  const pairs = items.map((item, index) => ({ item, index, value: value(item) }));
  /** @type {(value: unknown) => number} */
  const rank = (value) => (typeof value === "number" && value === value ? 0 : value === null || value !== value ? 2 : 1);
  pairs.sort((one, other) => {
    const ranks = rank(one.value) - rank(other.value);
    if (ranks !== 0) return ranks;
    const [a, b] = [one.value, other.value];
    if (typeof a === "number" && typeof b === "number") return sign * (a - b) || one.index - other.index;
    if (a === b || a === null || b === null) return one.index - other.index;
    return sign * (String(a) < String(b) ? -1 : 1) || one.index - other.index;
  });
  return pairs.map(({ item }) => item);
}
