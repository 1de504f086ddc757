// @ts-check
/**
 * Which runs are shown: words that occur in their names, tags or texts, and conditions such as `ridge>0.1
 * state=finished kind=linear|affine name~sweep`. Conditions on one column and words all hold together.
 */

/** @typedef {import("./frame.js").Frame} Frame */
/** @typedef {import("./frame.js").Column} Column */
/** @typedef {{column: Column, op: string, values: string[], text: string}} Condition */
/** @typedef {{words: string[], conditions: Condition[], problems: string[]}} Filter */

const TOKEN = /(?:"(?:[^"\\]|\\.)*"|[^\s"])+/g;
const CONDITION = /^((?:"(?:[^"\\]|\\.)*"|[^<>=!~"])+)(>=|<=|!=|=|>|<|~)(.*)$/s;
const PART = /(?:"(?:[^"\\]|\\.)*"|[^|"])+/g;

/**
 * Read a filter; what it does not understand is a problem, in words.
 * @param {string} text
 * @param {Frame} frame
 * @returns {Filter}
 */
export function parse(text, frame) {
  /** @type {Filter} */
  const filter = { words: [], conditions: [], problems: [] };
  for (const token of text.match(TOKEN) ?? []) {
    const found = CONDITION.exec(token);
    if (found === null) {
      filter.words.push(bare(token).toLowerCase());
      continue;
    }
    const [, name, op, rest] = found;
    const column = called(bare(name), frame);
    const values = (rest.match(PART) ?? [""]).map(bare);
    if (column === null) filter.problems.push(`there is no column ${bare(name)}`);
    else if (op.match(/[<>]/) && !Number.isFinite(Number(values[0] || "x"))) {
      filter.problems.push(`${token} needs a number`);
    } else filter.conditions.push({ column, op, values, text: token });
  }
  return filter;
}

/**
 * The runs that meet a filter, in the order of the frame.
 * @param {Filter} filter
 * @param {Frame} frame
 * @returns {number[]}
 */
export function meeting(filter, frame) {
  const tests = filter.conditions.map(test);
  const searched = filter.words.length ? [...frame.columns.values()].filter((column) => !column.numeric) : [];
  const texts = searched.map((column) => column.values);
  const has = (/** @type {number} */ index) => (/** @type {string} */ word) =>
    frame.names[index].toLowerCase().includes(word) ||
    texts.some((values) => String(values[index] ?? "").toLowerCase().includes(word));
  const found = [];
  for (let index = 0; index < frame.count; index++) {
    if (tests.every((holds) => holds(index)) && filter.words.every(has(index))) found.push(index);
  }
  return found;
}

/**
 * The text of a filter with other conditions on one column: those that it had are gone.
 * @param {string} text
 * @param {Frame} frame
 * @param {Column} column
 * @param {string[]} conditions
 * @returns {string}
 */
export function replaced(text, frame, column, conditions) {
  const { conditions: old } = parse(text, frame);
  const gone = new Set(old.filter((item) => item.column === column).map((item) => item.text));
  const kept = (text.match(TOKEN) ?? []).filter((token) => !gone.has(token));
  return [...kept, ...conditions].join(" ");
}

/**
 * A condition as text.
 * @param {Column} column
 * @param {string} op
 * @param {(string | number | boolean | null)[]} values
 * @returns {string}
 */
export function condition(column, op, values) {
  return quoted(column.name) + op + values.map((value) => quoted(value === null ? "" : String(value))).join("|");
}

/**
 * @param {Condition} condition
 * @returns {(index: number) => boolean}
 */
function test({ column, op, values }) {
  const cells = column.values;
  const bound = Number(values[0]);
  const wanted = new Set(values);
  const number = (/** @type {number} */ index) => (typeof cells[index] === "number" ? Number(cells[index]) : NaN);
  const text = (/** @type {number} */ index) => (cells[index] === null ? "" : String(cells[index]));
  const equal = (/** @type {number} */ index) =>
    wanted.has(text(index)) || values.some((value) => value !== "" && Number(value) === number(index));
  switch (op) {
    case ">": return (index) => number(index) > bound;
    case "<": return (index) => number(index) < bound;
    case ">=": return (index) => number(index) >= bound;
    case "<=": return (index) => number(index) <= bound;
    case "=": return equal;
    case "!=": return (index) => !equal(index);
    default: return (index) => values.some((value) => text(index).toLowerCase().includes(value.toLowerCase()));
  }
}

/**
 * The column that a name means: its key, its path, its short name, or the only one whose path ends with it.
 * @param {string} name
 * @param {Frame} frame
 * @returns {Column | null}
 */
function called(name, frame) {
  const all = [...frame.columns.values()];
  const exact = all.find((column) => column.key === name || column.name === name || column.path === name);
  const ends = all.filter((column) => column.path.endsWith(`.${name}`));
  return exact ?? (ends.length === 1 ? ends[0] : null);
}

const bare = (/** @type {string} */ text) =>
  text.replace(/"((?:[^"\\]|\\.)*)"/gs, (_, inner) => inner.replace(/\\(.)/gs, "$1"));
const quoted = (/** @type {string} */ text) =>
  /^[^\s"|<>=!~\\]+$/.test(text) || text === "" ? text : `"${text.replace(/["\\]/g, "\\$&")}"`;
