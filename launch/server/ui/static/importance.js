// @ts-check
/**
 * How much of what varies in the metric is due to each factor, and to pairs of them: shares of its variance.
 */

import { ask } from "./ask.js";
import { el, put } from "./dom.js";
import { number } from "./format.js";
import { asked as metric } from "./metric.js";

const LEAST = 1e-6; // a share below it is that of rounding

/**
 * The bars in an element; returns what asks for them again.
 * @param {HTMLElement} host
 * @param {string} address
 * @returns {() => void}
 */
export function importance(host, address) {
  let asked = 0;
  put(host, el("p", { class: "empty" }, "Counting …"));
  return async () => {
    const mine = ++asked;
    try {
      const told = await ask(address + (metric() && `?${metric()}`));
      if (mine === asked) put(host, ...shown(told));
    } catch (error) {
      put(host, el("p", { class: "problem" }, error instanceof Error ? error.message : String(error)));
    }
  };
}

/**
 * @param {any} told
 * @returns {Node[]}
 */
function shown(told) {
  const of = told.metric ? `${told.metric}: ` : "";
  const notes = told.notes.length ? [el("p", { class: "empty" }, `${of}${told.notes.join("; ")}.`)] : [];
  if (told.shares.length === 0) return notes;
  /** @type {any[]} */
  const all = [...told.shares, ...told.rest];
  const most = Math.max(...all.map(({ share }) => share), 1e-9);
  const rounded = (/** @type {number} */ share) => (Math.abs(share) < LEAST ? 0 : Number((100 * share).toPrecision(3)));
  const percent = (/** @type {number} */ share) => `${number(rounded(share))} %`;
  const width = (/** @type {number} */ share) => `${Math.max(0, Math.min(100, (100 * share) / most)).toFixed(2)}%`;
  const rows = all.flatMap((item, index) => {
    const colour = `var(--${index < told.shares.length ? "c0" : "c6"})`;
    const floor = item.floor === null || item.floor === undefined ? null : el("b", { style: { left: width(item.floor) }, title: `seeds alone: ${percent(item.floor)}` });
    const line = el("span", { class: "bar-line" }, el("i", { style: { width: width(item.share), background: colour } }), floor);
    const sure = item.p === null || item.p === undefined ? "" : item.p < 0.001 ? "p < 0.001" : `p = ${number(Number(item.p.toPrecision(2)))}`;
    return [el("span", { class: "name", title: item.name }, item.name), line, el("span", { class: "number" }, percent(item.share)), el("small", {}, sure)];
  });
  const words = `Shares of the variance of ${told.metric} over ${told.runs} finished runs at ${told.cells} points, by ${told.method}` +
    (all.some(({ floor }) => floor) ? "; a mark shows what seeds alone would give." : ".");
  const ped = `${told.method} of ${told.metric} over ${told.runs} finished runs: how much each factor tells the best apart.`;
  return [el("p", { class: "facts" }, told.method === "PED-ANOVA" ? ped : words), el("div", { class: "bars" }, ...rows), ...notes];
}
