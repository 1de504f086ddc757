// @ts-check
/**
 * A table that a run has logged, a page of rows at a time, sorted by the column whose head is pressed.
 */

import { ask } from "./ask.js";
import { el, put } from "./dom.js";
import { number, value } from "./format.js";

const ROWS = 8; // several tables fit into a window

/**
 * @param {string} base where the run is asked
 * @param {string} path the table's file
 * @param {string} name
 * @returns {HTMLElement}
 */
export function table(base, path, name) {
  const head = el("thead");
  const body = el("tbody");
  const pager = el("p", { class: "pager" });
  const inner = el("table", { "aria-label": name }, head, body);
  const node = el("div", {}, el("div", { class: "wide", tabindex: 0, role: "region", "aria-label": `table ${name}` }, inner), pager);
  let [sort, down, offset] = [-1, false, 0];

  async function load() {
    const query = new URLSearchParams({ path, sort: String(sort), down: down ? "1" : "0", offset: String(offset), limit: String(ROWS) });
    try {
      show(await ask(`${base}/table?${query}`));
    } catch (error) {
      put(node, el("p", { class: "empty" }, /** @type {Error} */ (error).message));
    }
  }

  /** @param {{columns: string[], rows: any[][], count: number, offset: number}} told */
  function show(told) {
    const numbers = told.columns.map((_, index) => typeof told.rows[0]?.[index] === "number");
    put(head, el("tr", {}, ...told.columns.map((column, index) => heading(column, index, numbers[index]))));
    put(body, ...told.rows.map((row) => el("tr", {}, ...row.map(cell))));
    const last = Math.min(told.offset + ROWS, told.count);
    put(
      pager,
      el("button", { class: "small", disabled: told.offset === 0, onclick: () => turn(-ROWS) }, "←"),
      ` rows ${told.count ? told.offset + 1 : 0}–${last} of ${told.count} `,
      el("button", { class: "small", disabled: last >= told.count, onclick: () => turn(ROWS) }, "→"),
    );
    for (const [button, words] of [[pager.firstElementChild, "earlier rows"], [pager.lastElementChild, "next rows"]]) {
      /** @type {Element} */ (button).setAttribute("aria-label", `${words} of ${name}`);
    }
  }

  /** @param {string} column @param {number} index @param {boolean} right */
  function heading(column, index, right) {
    const way = index === sort ? (down ? "descending" : "ascending") : "none";
    const mark = { none: "", ascending: " ↑", descending: " ↓" }[way];
    return el("th", { scope: "col", "aria-sort": way, class: right && "number" }, el("button", { class: "head", onclick: () => by(index) }, column + mark));
  }

  /** @param {number} index */
  function by(index) {
    if (index !== sort) [sort, down] = [index, false];
    else if (!down) down = true;
    else [sort, down] = [-1, false];
    offset = 0;
    load();
  }

  /** @param {number} rows */
  function turn(rows) {
    offset = Math.max(0, offset + rows);
    load();
  }

  load();
  return node;
}

/** @param {any} content */
function cell(content) {
  if (typeof content === "number") return el("td", { class: "number", title: content }, number(content));
  return el("td", { title: String(content ?? "").length > 60 && content }, value(content).slice(0, 120));
}
