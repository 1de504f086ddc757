// @ts-check
/**
 * A histogram: counts between edges, as bars whose areas are the counts.
 */

import { el, svg } from "./dom.js";
import { number } from "./format.js";

const [WIDTH, HEIGHT] = [320, 120];

/**
 * @param {number[]} edges one more than counts
 * @param {number[]} counts
 * @param {string} name
 * @returns {HTMLElement}
 */
export function histogram(edges, counts, name) {
  if (counts.length === 0) return el("p", { class: "empty" }, "No values.");
  const [first, last] = [edges[0], edges[edges.length - 1]];
  const across = WIDTH / (last - first || 1);
  const heights = counts.map((count, index) => count / (edges[index + 1] - edges[index] || 1));
  const up = HEIGHT / (Math.max(...heights) || 1);
  const bars = heights.map((height, index) =>
    svg(
      "rect",
      {
        x: (edges[index] - first) * across,
        width: Math.max((edges[index + 1] - edges[index]) * across - 0.5, 0.5),
        y: HEIGHT - height * up,
        height: height * up,
      },
      svg("title", {}, `${number(edges[index])} to ${number(edges[index + 1])}: ${counts[index]}`),
    ),
  );
  const total = counts.reduce((sum, count) => sum + count, 0);
  const words = `${name}: ${total} values from ${number(first)} to ${number(last)}`;
  return el(
    "div",
    { class: "histogram" },
    svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": words }, ...bars),
    el("div", { class: "range" }, el("span", {}, number(first)), el("span", {}, `${number(total)} values`), el("span", {}, number(last))),
  );
}
