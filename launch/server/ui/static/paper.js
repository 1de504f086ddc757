// @ts-check
/**
 * What drawings share: a canvas as sharp as the screen with a layer of SVG over it, and a note at the pointer.
 */

import { el, put, svg } from "./dom.js";

/** @typedef {{host: HTMLElement, pen: CanvasRenderingContext2D, over: SVGElement, tip: HTMLElement, width: number, height: number}} Paper */

/**
 * A fresh sheet in an element, which is emptied.
 * @param {HTMLElement} host
 * @param {string} label what it shows, for who does not see it
 * @param {number} height
 * @param {number} [least] the width below which it is scrolled
 * @returns {Paper}
 */
export function paper(host, label, height, least = 300) {
  const width = Math.max(least, Math.floor(host.clientWidth || 900));
  const sharp = window.devicePixelRatio || 1;
  const canvas = el("canvas", { width: width * sharp, height: height * sharp, role: "img", "aria-label": label });
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  const over = svg("svg", { width, height, "aria-hidden": "true" });
  const tip = el("div", { class: "tip", hidden: true });
  put(host, canvas, over, tip);
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.scale(sharp, sharp);
  return { host, pen, over, tip, width, height };
}

/**
 * Show a note beside a point, or hide it.
 * @param {Paper} sheet
 * @param {{x: number, y: number} | null} at
 * @param {...import("./dom.js").Child} words
 */
export function note({ tip, width }, at, ...words) {
  tip.hidden = at === null;
  if (at === null) return;
  put(tip, ...words);
  const left = at.x > width / 2;
  Object.assign(tip.style, { left: left ? "auto" : `${at.x + 12}px`, right: left ? `${width - at.x + 12}px` : "auto", top: `${at.y - 10}px` });
}

/**
 * Draw again when the element becomes wider or narrower.
 * @param {HTMLElement} host
 * @param {() => void} draw
 */
export function resized(host, draw) {
  let before = 0;
  new ResizeObserver(() => {
    const now = host.clientWidth;
    if (before !== 0 && now !== 0 && now !== before) draw();
    before = now;
  }).observe(host);
}
