// @ts-check
/**
 * Runs as columns in the browser: what the server told at once, and what it tells of them later.
 */

import { leaves } from "./format.js";

/** @typedef {string | number | boolean | null} Scalar */
/** @typedef {{key: string, path: string, kind: "run" | "config" | "summary" | "history", name: string, values: Scalar[], numeric: boolean}} Column */

/** What a parameter is called that makes a replicate (as on the server). */
const SEED = /(^|[._-])(seeds?|random_state|replicate)$/i;
const WORDS = new Set(["nan", "inf", "-inf"]);

/** The runs of a sweep or a project. `columns` by key: `run.state`, `config.ridge`, `summary.acc`. */
export class Frame {
  /** @param {any} told */
  constructor(told) {
    /** @type {string[]} */
    this.names = told.name;
    this.mark = Number(told.mark);
    this.leftOut = Number(told.left_out);
    this.metric = /** @type {{name: string, goal: "min" | "max"} | null} */ (told.metric);
    /** @type {Map<string, number>} */
    this.places = new Map(this.names.map((name, index) => [name, index]));
    /** @type {Map<string, Scalar>} */
    this.same = new Map(Object.entries(told.same));
    /** @type {Map<string, Column>} */
    this.columns = new Map();
    this.add("run", "name", told.label);
    for (const { kind, path, values, levels, codes } of told.columns) {
      this.add(kind, path, values ?? codes.map((/** @type {number} */ code) => levels[code]));
    }
    this.add("run", "created", told.created);
    this.shorten();
  }

  get count() {
    return this.names.length;
  }

  /** The parameters that vary, those of the definition first. */
  get factors() {
    return [...this.columns.values()].filter((column) => column.kind === "config");
  }

  /** The factors by which runs are grouped unless somebody chooses: all that vary but seeds. */
  get grouping() {
    return this.factors.filter((column) => !SEED.test(column.path));
  }

  /** The column of the sweep's metric: its last value, or the best that the summaries keep. */
  get target() {
    if (this.metric === null) return null;
    const best = [this.metric.name, `${this.metric.name}.best`, `${this.metric.name}.${this.metric.goal}`];
    const found = best.map((path) => this.columns.get(`summary.${path}`));
    return found.find((column) => column !== undefined) ?? null;
  }

  /** What came out, for drawings: the metric, or the first number of the summaries. */
  get result() {
    const all = [...this.columns.values()];
    return this.target ?? all.find(({ kind, numeric }) => kind === "summary" && numeric) ?? null;
  }

  /**
   * Take in an event of the stream; whether the whole table has to be asked for again.
   * @param {any} event
   */
  update(event) {
    if (event.stale) return true;
    const before = this.columns.size;
    const keys = event.paths.map((/** @type {string} */ path) => this.column("summary", path));
    for (const [name, label, created, state, seconds, config, values] of event.runs) {
      const place = this.place(name);
      set(this.column("run", "name"), place, label);
      set(this.column("run", "created"), place, created);
      set(this.column("run", "state"), place, state);
      set(this.column("run", "runtime"), place, seconds);
      if (config !== null) this.configure(place, config);
      for (const [index, column] of keys.entries()) set(column, place, values[index] ?? null);
    }
    for (const [index, ends] of (event.extremes ?? []).entries()) {
      if (ends === null) continue;
      const place = this.place(event.runs[index][0]);
      ["min", "max"].forEach((end, which) => set(this.column("history", `${end} of ${this.metric?.name}`), place, ends[which]));
    }
    this.mark = event.mark;
    if (this.columns.size !== before) this.shorten();
    return !event.more && event.count !== this.count;
  }

  /** @type {(place: number, config: Record<string, Scalar>) => void} */
  configure(place, config) {
    for (const [path, value] of Object.entries(config)) {
      if (!this.columns.has(`config.${path}`)) {
        if (!this.same.has(path) && this.count > 1) this.same.set(path, null);
        if (this.same.get(path) === value) continue;
        const before = this.same.get(path) ?? null;
        this.same.delete(path);
        this.add("config", path, this.names.map(() => before));
      }
      set(this.column("config", path), place, value);
    }
  }

  /** @param {string} name */
  place(name) {
    const found = this.places.get(name);
    if (found !== undefined) return found;
    this.places.set(name, this.names.push(name) - 1);
    for (const column of this.columns.values()) column.values.push(null);
    return this.names.length - 1;
  }

  /** @type {(kind: string, path: string) => Column} */
  column(kind, path) {
    return this.columns.get(`${kind}.${path}`) ?? this.add(kind, path, this.names.map(() => null));
  }

  /** @type {(kind: string, path: string, values: Scalar[]) => Column} */
  add(kind, path, values) {
    const column = /** @type {Column} */ ({ key: `${kind}.${path}`, path, kind, name: path, values, numeric: true });
    column.numeric = values.every((value) => value === null || typeof value === "number" || WORDS.has(String(value)));
    if (kind === "run") column.numeric = path === "created" || path === "runtime";
    this.columns.set(column.key, column);
    return column;
  }

  /** Give each column the shortest name that tells it apart. */
  shorten() {
    const named = [...this.columns.values()].filter(({ kind }) => kind !== "history");
    const names = leaves(named.map(({ path }) => path));
    for (const column of named) column.name = names.get(column.path) ?? column.path;
  }
}

/**
 * @param {Column} column
 * @param {number} place
 * @param {Scalar} value
 */
function set(column, place, value) {
  column.values[place] = value;
  if (typeof value === "string" && !WORDS.has(value)) column.numeric = false;
}
