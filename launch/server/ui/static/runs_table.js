// @ts-check
/**
 * The table of runs: one a row, or groups of them with means and intervals; sorted, narrowed, columns chosen, and some
 * ticked to be compared. What is chosen stands in the address.
 */

import { chooser } from "./choose.js";
import { factors, shownColumns, ticking } from "./chosen.js";
import { el, put } from "./dom.js";
import { condition } from "./filter.js";
import { short } from "./format.js";
import { Grid } from "./grid.js";
import { key } from "./keys.js";
import { once } from "./model.js";
import { read, write } from "./state.js";
import { groupRows, runRows } from "./table_rows.js";

/** @typedef {import("./frame.js").Column} Column */
/** @typedef {import("./model.js").Model} Model */

/**
 * The table in an element. `base`: the address of the project's pages.
 * @param {HTMLElement} host
 * @param {Model} model
 * @param {string} base
 */
export function runsTable(host, model, base) {
  const field = el("input", {
    type: "search",
    class: "filter",
    placeholder: "words, ridge>0.1, state=finished",
    "aria-label": "Filter runs",
    "aria-describedby": "filter-problems",
    oninput: () => model.narrow(field.value, { back: false }),
  });
  const problems = el("p", { class: "problem", id: "filter-problems", role: "status" });
  const counted = el("span", { class: "counted", role: "status" });
  const compare = el("span", { class: "compare", role: "status" });
  const box = ticking(compare, base);
  const mode = el("button", { type: "button", class: "mode", onclick: swap });
  const keys = (/** @type {Column[]} */ columns) => columns.map((column) => column.key);
  const columns = chooser("Columns", () => options(false), () => keys(shownColumns(model)), (column) => set({ column }));
  const by = chooser("Group by", () => options(true), () => keys(factors(model)), (group) => set({ group, rows: "groups" }));
  const under = el("div");
  const empty = el("p", { class: "empty ready" });
  put(host, el("div", { class: "bar" }, field, mode, by, columns, counted, compare), problems, under, empty);
  const grid = new Grid(under);
  const inGroups = () => read("rows") === "groups";

  /** @param {boolean} factor */
  function options(factor) {
    const all = [...model.frame.columns.values()].filter(
      (column) => column.key !== "run.name" && !(factor && column.kind === "summary"),
    );
    return all.map(({ key, name, path }) => ({ key, name, title: path }));
  }

  /** @param {Record<string, string | string[] | null>} changes */
  function set(changes) {
    write(changes);
    draw();
  }

  function swap() {
    set({ rows: inGroups() ? null : "groups" });
  }

  function order() {
    const { target, metric } = model.frame;
    return read("sort", target ? (metric?.goal === "max" ? "-" : "") + target.key : "-run.created");
  }

  /** @param {string} column */
  function sortBy(column) {
    const first = model.frame.columns.get(column)?.numeric ? `-${column}` : column;
    set({ sort: order() === `-${column}` ? column : order() === column ? `-${column}` : first });
  }

  function draw() {
    put(mode, inGroups() ? "Show runs" : "Show groups");
    put(problems, model.filter.problems.join("; "));
    const wanted = { frame: model.frame, rows: model.rows, chosen: shownColumns(model), order: order(), sortBy };
    const shown = inGroups() ? groupRows(wanted, factors(model), only) : runRows(wanted, { tick, link });
    const [some, all] = [model.rows.length, model.frame.count];
    const runs = (some === all ? "" : `${some} of `) + `${all} run${all === 1 ? "" : "s"}`;
    put(counted, inGroups() ? `${shown.count} group${shown.count === 1 ? "" : "s"} of ${runs}` : runs);
    grid.show(shown);
    put(empty, all === 0 ? "No runs yet." : shown.count === 0 ? "No run meets the filter." : null);
  }

  /** @param {import("./stats.js").Group} group */
  function only(group) {
    const text = factors(model).map((column, index) => condition(column, "=", [group.levels[index]])).join(" ");
    const show = () => {
      write({ rows: null });
      model.narrow(text, { back: false });
    };
    return el("button", { type: "button", class: "plain", onclick: show, title: "show these runs" }, group.runs.length);
  }

  /** @param {number} run */
  function link(run) {
    const name = model.frame.names[run];
    const label = String(model.frame.columns.get("run.name")?.values[run] ?? name);
    const href = `${base}/runs/${encodeURIComponent(name)}`;
    return el("a", { href, title: label, "data-place": `run ${name}` }, short(label, matchMedia("(max-width: 700px)").matches ? 14 : 24));
  }

  /** @param {number} run */
  function tick(run) {
    const name = model.frame.names[run];
    return box(name, String(model.frame.columns.get("run.name")?.values[run] ?? name));
  }

  key("/", "filter the runs", () => field.focus());
  key("g", "runs or groups of them", swap);
  key("x", "show all runs again", () => model.narrow(""));
  const later = once(draw);
  model.part(() => {
    if (document.activeElement !== field) field.value = model.text;
    later();
  });
}
