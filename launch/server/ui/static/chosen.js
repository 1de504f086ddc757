// @ts-check
/**
 * What somebody has chosen of a table's runs: factors and columns (in the address), and runs to be compared (ticked).
 */

import { el, put } from "./dom.js";
import { usual } from "./shown_columns.js";
import { readAll } from "./state.js";

/** @typedef {import("./frame.js").Column} Column */
/** @typedef {import("./model.js").Model} Model */

const MOST_COMPARED = 20;

/**
 * The columns of these keys that there are.
 * @param {Model} model
 * @param {string[]} keys
 * @returns {Column[]}
 */
export function found(model, keys) {
  return keys.map((key) => model.frame.columns.get(key)).filter((column) => column !== undefined);
}

/**
 * The factors by which runs are grouped: those that somebody chose, else all that vary but seeds.
 * @param {Model} model
 * @returns {Column[]}
 */
export function factors(model) {
  const keys = readAll("group");
  return keys === null ? model.frame.grouping : found(model, keys);
}

/**
 * The columns of the table.
 * @param {Model} model
 * @returns {Column[]}
 */
export function shownColumns(model) {
  const keys = readAll("column");
  return keys === null ? usual(model.frame) : found(model, keys);
}

/**
 * Boxes to tick runs, and the link that compares those that are ticked. `base`: the address of the project's pages.
 * @param {HTMLElement} host
 * @param {string} base
 * @returns {(name: string, label: string) => HTMLInputElement}
 */
export function ticking(host, base) {
  /** @type {Set<string>} */
  const ticked = new Set();

  function tell() {
    const query = [...ticked].map((name) => `run=${encodeURIComponent(name)}`).join("&");
    const many = ticked.size > MOST_COMPARED ? `${ticked.size} runs ticked: at most ${MOST_COMPARED}` : null;
    const words = ticked.size === 1 ? "tick another to compare" : many;
    const link = () => el("a", { class: "button", href: `${base}/compare?${query}` }, `Compare ${ticked.size}`);
    put(host, ticked.size === 0 ? null : (words ?? link()));
  }

  return (name, label) => {
    const box = el("input", { type: "checkbox", "aria-label": `compare ${label}`, "data-place": `tick ${name}`, onchange: turn });
    function turn() {
      if (box.checked) ticked.add(name);
      else ticked.delete(name);
      tell();
    }
    box.checked = ticked.has(name);
    return box;
  };
}
