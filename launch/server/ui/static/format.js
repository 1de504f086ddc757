// @ts-check
/**
 * Values as a person reads them: numbers to four significant digits, moments, sizes, long names cut in the middle.
 */

/**
 * A number to four significant digits; a whole one up to a million as it is.
 * @param {number} value
 * @returns {string}
 */
export function number(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return minus(String(value));
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return minus(value.toExponential(3).replace(/\.?0+e/, "e").replace("e+", "e"));
  return minus(String(Number(value.toPrecision(4))));
}

/**
 * Any value of a config or a summary, on one line.
 * @param {unknown} value
 * @returns {string}
 */
export function value(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return number(value);
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

/**
 * Seconds as a person says them: 4.2 s, 3 min 20 s, 5 h 12 min, 2 d 3 h.
 * @param {number} seconds
 * @returns {string}
 */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 60) return `${number(Number(seconds.toPrecision(2)))} s`;
  const whole = Math.round(seconds);
  /** @type {[number, string, number, string][]} */
  const units = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];
  for (const [large, name, small, other] of units) {
    if (whole < large) continue;
    const rest = Math.floor((whole % large) / small);
    return `${Math.floor(whole / large)} ${name}${rest ? ` ${rest} ${other}` : ""}`;
  }
  return `${whole} s`;
}

/**
 * How long ago a moment was (seconds since the epoch).
 * @param {number} moment
 * @returns {string}
 */
export function ago(moment) {
  const past = Math.max(0, Date.now() / 1000 - moment);
  const [size, name] = past >= 86400 ? [86400, "d"] : past >= 3600 ? [3600, "h"] : past >= 60 ? [60, "min"] : [1, "s"];
  return `${Math.floor(past / Number(size))} ${name} ago`;
}

/**
 * A moment (seconds since the epoch) as 2026-01-31 14:05, in the time of this machine.
 * @param {number} moment
 * @returns {string}
 */
export function stamp(moment) {
  const date = new Date(1000 * moment);
  return new Date(date.getTime() - 60000 * date.getTimezoneOffset()).toISOString().slice(0, 16).replace("T", " ");
}

/**
 * Bytes as a person reads them.
 * @param {number} bytes
 * @returns {string}
 */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const power = Math.min(4, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(1)} ${["", "kB", "MB", "GB", "TB"][power]}`;
}

/**
 * A name of at most so many characters, cut in the middle: the ends tell names apart. The whole goes on hover (`title`).
 * @param {string} name
 * @param {number} [most]
 * @returns {string}
 */
export function short(name, most = 28) {
  const letters = [...name];
  if (letters.length <= most) return name;
  const front = Math.ceil((most - 1) / 2);
  return `${letters.slice(0, front).join("")}…${letters.slice(letters.length - (most - 1 - front)).join("")}`;
}

/**
 * The shortest ends of dotted paths that still tell them apart: `source.seed`, `target.seed`, but `ridge`.
 * @param {string[]} paths
 * @returns {Map<string, string>}
 */
export function leaves(paths) {
  const ends = new Map(paths.map((path) => [path, 1]));
  const end = (/** @type {string} */ path) => path.split(".").slice(-(ends.get(path) ?? 1)).join(".");
  for (let again = true; again; ) {
    again = false;
    const seen = grouped([...ends.keys()], end);
    for (const same of seen.values()) {
      for (const path of same.length > 1 ? same : []) {
        const words = ends.get(path) ?? 1;
        if (words >= path.split(".").length) continue;
        ends.set(path, words + 1);
        again = true;
      }
    }
  }
  return new Map(paths.map((path) => [path, end(path)]));
}

/**
 * @param {string[]} items
 * @param {(item: string) => string} by
 * @returns {Map<string, string[]>}
 */
function grouped(items, by) {
  /** @type {Map<string, string[]>} */
  const found = new Map();
  for (const item of items) {
    const same = found.get(by(item));
    if (same === undefined) found.set(by(item), [item]);
    else same.push(item);
  }
  return found;
}

const minus = (/** @type {string} */ text) => text.replace("-", "−").replace("e-", "e−");
