// @ts-check
/**
 * A chart of curves by uPlot: a line each, with a band from the lowest to the highest value where a point stands for
 * several. Dragging asks for what lies between two steps, a double click for all of it.
 */

import { named, themed } from "./colours.js";
import { el, put } from "./dom.js";
import { number, short } from "./format.js";
import { ends, spoken, told } from "./lines.js";

/** @typedef {{x: number[], mean: (number | null)[], low?: (number | null)[], high?: (number | null)[]}} Curve */
/** @typedef {{name: string, curve: Curve, colour?: string, faint?: boolean}} Line */
/** @typedef {{log?: boolean, span?: [number, number] | null, height?: number, words?: string}} Look */

const HEIGHT = 200;

/**
 * @param {HTMLElement} node
 * @param {(from: number | null, to: number | null) => void} [zoomed]
 */
export function chart(node, zoomed = () => {}) {
  const readout = el("p", { class: "readout" }, "\u00a0");
  const stage = el("div", { class: "stage", role: "img" });
  put(node, stage, readout);
  /** @type {any} */
  let plot = null;
  /** @type {Line[]} */
  let lines = [];
  /** @type {Look} */
  let look = {};

  /** Draw all of it anew. */
  function draw() {
    plot?.destroy();
    const { data, series, bands } = told(lines, look.log === true);
    const shown = data.slice(1).flat().filter((/** @type {unknown} */ value) => typeof value === "number");
    stage.setAttribute("aria-label", spoken(lines, shown));
    const [low, high] = ends(shown);
    const none = shown.length === 0 ? (look.log ? "No values above 0." : "No finite values.") : "";
    const far = Number.isFinite(high - low) || look.log ? "" : `From ${number(low)} to ${number(high)}: too far apart to draw.`;
    if (none || (far && shown.length)) {
      plot = null;
      put(stage, el("p", { class: "empty" }, none || far));
      return;
    }
    put(stage);
    const axis = { stroke: named("soft"), grid: { stroke: named("line"), width: 1 }, ticks: { stroke: named("line") } };
    const values = (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((v) => (v === null ? "" : number(v)));
    plot = new (/** @type {any} */ (window).uPlot)(
      {
        width: Math.max(stage.clientWidth, 120),
        height: look.height ?? HEIGHT,
        legend: { show: false },
        cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 }, bind: { dblclick: () => whole } },
        scales: {
          x: { time: false, range: (/** @type {any} */ _, /** @type {number} */ a, /** @type {number} */ b) => span(a, b) },
          y: look.log ? { distr: 3 } : { range },
        },
        axes: [{ ...axis, values, size: 28, font: FONT }, { ...axis, values, size: 58, font: FONT }],
        series: [{}, ...series],
        bands,
        hooks: { setSelect: [selected], setCursor: [read] },
      },
      data,
      stage,
    );
  }

  /** @param {number} low @param {number} high @returns {[number, number]} */
  function span(low, high) {
    const [from, to] = look.span ?? [low, high];
    return from < to ? [from, to] : [from - 0.5, from + 0.5];
  }

  /** @param {any} _ @param {number} low @param {number} high @returns {[number, number]} */
  function range(_, low, high) {
    const pad = low === high ? 0.1 * Math.abs(low) || 1 : 0.05 * (high - low);
    return [low - pad, high + pad];
  }

  /** @param {any} u */
  function selected(u) {
    if (u.select.width < 4) return;
    const [from, to] = [u.select.left, u.select.left + u.select.width].map((place) => u.posToVal(place, "x"));
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    zoomed(Math.floor(from), Math.ceil(to));
  }

  function whole() {
    zoomed(null, null);
    return null;
  }

  /** @param {any} u */
  function read(u) {
    const at = u.cursor.idx;
    if (at === null || at === undefined) {
      readout.textContent = look.words ?? "\u00a0";
      return;
    }
    const means = lines.map((line, index) => /** @type {const} */ ([line, u.data[3 * index + 3]?.[at]]));
    const there = means.filter(([, value]) => value !== null && value !== undefined).slice(0, 6);
    const words = there.map(([line, value]) => (lines.length > 1 ? `${short(line.name, 22)} ${number(value)}` : number(value)));
    readout.textContent = `step ${number(u.data[0][at])} · ${words.join(" · ") || "–"}`;
  }

  new ResizeObserver(() => plot?.setSize({ width: Math.max(stage.clientWidth, 120), height: look.height ?? HEIGHT })).observe(stage);
  themed(() => draw());
  return {
    /** @param {Line[]} now @param {Look} [how] */
    show(now, how = {}) {
      [lines, look] = [now, how];
      readout.textContent = how.words ?? "\u00a0";
      draw();
    },
  };
}

const FONT = "12px system-ui, sans-serif";
