// @ts-check
/**
 * Lineage as a graph in layers, from what came first on the left to what came of it on the right. Within a layer a node
 * stands beside the mean of those that it hangs on (Sugiyama, Tagawa and Toda, 1981), so that few lines cross.
 */

import { ask } from "./ask.js";
import { el, put, svg } from "./dom.js";
import { short } from "./format.js";

const [WIDE, HIGH, ACROSS, DOWN, EDGE] = [176, 40, 56, 14, 8];

/** @typedef {{id: number, kind: string, name: string, about: string, href: string, place: number, more: number, middle: boolean}} Node_ */
/** @typedef {{nodes: Node_[], edges: [number, number][], cut: boolean}} Told */

/**
 * Ask for a graph and draw it.
 * @param {HTMLElement} node
 * @param {string} address
 */
export async function graph(node, address) {
  const told = /** @type {Told} */ (await ask(address));
  if (told.nodes.length < 2) {
    put(node, el("p", { class: "empty" }, "No artifact was made or used."));
    return;
  }
  put(node, drawn(told), told.cut && el("p", { class: "empty" }, `Only ${told.nodes.length} are shown.`));
  const middle = node.querySelector(".middle");
  if (middle) node.scrollLeft = Number(/** @type {SVGElement} */ (middle).dataset.x) - node.clientWidth / 2 + WIDE / 2;
}

/**
 * @param {Told} told
 * @returns {SVGElement}
 */
function drawn(told) {
  const layers = ordered(told);
  const places = new Map(layers.flatMap((layer, column) => layer.map((one, row) => [one.id, at(column, row, layer, layers)])));
  const size = [layers.length * (WIDE + ACROSS) - ACROSS, Math.max(...layers.map((layer) => layer.length)) * (HIGH + DOWN) - DOWN];
  const lines = told.edges.map(([from, to]) => edge(/** @type {any} */ (places.get(from)), /** @type {any} */ (places.get(to))));
  const boxes = told.nodes.map((one) => box(one, /** @type {any} */ (places.get(one.id))));
  const view = `0 0 ${size[0] + 2 * EDGE} ${size[1] + 2 * EDGE}`;
  const words = `lineage: ${told.nodes.length} runs and artifacts`;
  const [width, height] = [size[0] + 2 * EDGE, size[1] + 2 * EDGE].map((length) => `${length}px`);
  return svg("svg", { class: "graph", viewBox: view, role: "group", "aria-label": words, style: { width, height } }, ...lines, ...boxes);
}

/**
 * Nodes by layer, each layer in an order in which few lines cross.
 * @param {Told} told
 * @returns {Node_[][]}
 */
function ordered(told) {
  const places = [...new Set(told.nodes.map((one) => one.place))].sort((a, b) => a - b);
  const layers = places.map((place) => told.nodes.filter((one) => one.place === place));
  /** @type {Map<number, number[]>} */
  const beside = new Map(told.nodes.map((one) => [one.id, []]));
  for (const [from, to] of told.edges) {
    beside.get(from)?.push(to);
    beside.get(to)?.push(from);
  }
  for (let sweep = 0; sweep < 6; sweep++) {
    const rows = new Map(layers.flatMap((layer) => layer.map((one, row) => [one.id, row / layer.length])));
    const mean = (/** @type {Node_} */ one) => {
      const near = (beside.get(one.id) ?? []).map((other) => rows.get(other) ?? 0);
      return near.length ? near.reduce((sum, row) => sum + row, 0) / near.length : (rows.get(one.id) ?? 0);
    };
    const means = new Map(told.nodes.map((one) => [one.id, mean(one)]));
    for (const layer of layers) layer.sort((a, b) => (means.get(a.id) ?? 0) - (means.get(b.id) ?? 0) || a.id - b.id);
  }
  return layers;
}

/**
 * @param {number} column
 * @param {number} row
 * @param {Node_[]} layer
 * @param {Node_[][]} layers
 * @returns {{x: number, y: number}}
 */
function at(column, row, layer, layers) {
  const most = Math.max(...layers.map((one) => one.length));
  const space = ((most - layer.length) * (HIGH + DOWN)) / 2;
  return { x: EDGE + column * (WIDE + ACROSS), y: EDGE + space + row * (HIGH + DOWN) };
}

/** @param {{x: number, y: number}} from @param {{x: number, y: number}} to */
function edge(from, to) {
  const [x1, y1, x2, y2] = [from.x + WIDE, from.y + HIGH / 2, to.x, to.y + HIGH / 2];
  const half = (x1 + x2) / 2;
  return svg("path", { class: "edge", d: `M${x1},${y1} C${half},${y1} ${half},${y2} ${x2},${y2}` });
}

/** @param {Node_} one @param {{x: number, y: number}} place */
function box(one, { x, y }) {
  const more = one.more ? ` · ${one.more} more` : "";
  return svg(
    "a",
    { href: one.href, class: `node ${one.kind}${one.middle ? " middle" : ""}`, "data-x": x, "aria-label": `${one.kind} ${one.name}, ${one.about}` },
    svg("title", {}, `${one.kind} ${one.name} (${one.about}${more})`),
    svg("rect", { x, y, width: WIDE, height: HIGH, rx: one.kind === "run" ? HIGH / 2 : 5 }),
    svg("text", { x: x + WIDE / 2, y: y + 17 }, short(one.name, 23)),
    svg("text", { x: x + WIDE / 2, y: y + 32, class: "about" }, short(one.about + more, 28)),
  );
}
