// @ts-check
/**
 * How much of what varies in the metric is due to each factor, and to pairs of them: shares of its variance.
 */

import { ask } from "./ask.js";
import { el, put } from "./dom.js";
import { number } from "./format.js";

/**
 * The bars in an element; returns what asks for them again.
 * @param {HTMLElement} host
 * @param {string} address
 * @returns {() => void}
 */
export function importance(host, address) {
  let asked = 0;
  return async () => {
    const mine = ++asked;
    try {
      const told = await ask(address);
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
  if (told.shares.length === 0) return [el("p", { class: "empty" }, told.note)];
  const most = Math.max(...told.shares.map((/** @type {any} */ item) => item.share), 1e-9);
  const rows = told.shares.flatMap((/** @type {any} */ item) => {
    const width = `${Math.max(0, (100 * item.share) / most).toFixed(2)}%`;
    const line = el("span", { class: "bar-line" }, el("i", { style: { width, background: `var(--${item.colour ?? "c0"})` } }));
    return [el("span", { class: "name", title: item.name }, item.name), line, el("span", { class: "number" }, `${number(Number((100 * item.share).toPrecision(3)))} %`)];
  });
  return [el("p", { class: "facts" }, told.note), el("div", { class: "bars" }, ...rows)];
}
