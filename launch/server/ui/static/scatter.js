// @ts-check
/**
 * Any column over any other, a dot a run, coloured by a third; over them the mean of the runs that share an x (their
 * seeds) with its 95 % interval, a line for each colour.
 */

import { select } from "./choose.js";
import { el, put } from "./dom.js";
import { short, value } from "./format.js";
import { huesOf, legend, means } from "./means.js";
import { plotted } from "./plot.js";
import { canTurn, scaleOf, turn } from "./scale.js";
import { read, write } from "./state.js";

/** @typedef {import("./frame.js").Column} Column */

const MOST_COLOURS = 8;

/**
 * The drawing in an element, with its controls; returns what draws it again.
 * @param {HTMLElement} host
 * @param {import("./model.js").Model} model
 * @param {{base: string}} page
 * @returns {() => void}
 */
export function scatter(host, model, { base }) {
  const sheet = el("div", { class: "drawing" });
  const bar = el("div", { class: "bar" });
  const colours = el("div", { class: "legend" });
  put(host, bar, sheet, colours);

  function chosen() {
    const { grouping, factors, target, columns } = model.frame;
    const first = grouping.length ? grouping : factors;
    const results = [...columns.values()].filter((item) => item.kind === "summary" && item.numeric);
    const numbers = first.filter((item) => item.numeric && new Set(item.values).size > 2);
    const x = columns.get(read("x")) ?? numbers[0] ?? first[0] ?? columns.get("run.created") ?? null;
    const y = columns.get(read("y")) ?? target ?? results[0] ?? columns.get("run.runtime") ?? null;
    const few = first.filter((item) => item !== x && new Set(item.values).size <= MOST_COLOURS);
    const other = few.find((item) => !item.numeric) ?? few[0] ?? null;
    return { x, y, colour: read("colour") === "none" ? null : (columns.get(read("colour")) ?? other) };
  }

  /** @param {Record<string, string | null>} changes */
  function set(changes) {
    write(changes);
    controls();
    draw();
  }

  function controls() {
    const { x, y, colour } = chosen();
    const columns = [...model.frame.columns.values()].filter(({ key }) => key !== "run.name");
    const all = columns.map(({ key, name, path }) => ({ key, name: short(name, 30), title: path }));
    const none = { key: "none", name: "none", title: "one colour" };
    const axis = (/** @type {string} */ name, /** @type {Column | null} */ now) =>
      select(name, all, now?.key ?? "", (key) => set({ [name]: key }));
    put(
      bar,
      axis("x", x),
      x && log("x", x),
      axis("y", y),
      y && log("y", y),
      select("colour", [none, ...all], colour?.key ?? "none", (key) => set({ colour: key })),
      tick(" means", read("means") !== "no", (on) => set({ means: on ? null : "no" })),
    );
  }

  /**
   * @param {string} name
   * @param {Column} column
   */
  function log(name, column) {
    const scale = scaleOf(column);
    if (!canTurn(scale)) return null;
    return tick(` log ${name}`, scale.kind === "log", () => {
      turn(column);
      draw();
    });
  }

  function draw() {
    const { x, y, colour } = chosen();
    if (!bar.matches(":focus-within")) controls();
    if (x === null || y === null || model.frame.count === 0) {
      put(sheet, el("p", { class: "empty" }, "There is nothing to draw yet."));
      put(colours);
      return;
    }
    const hues = huesOf(colour);
    const lines = read("means") === "no" ? [] : means(model.rows, x, y, hues);
    plotted(sheet, { x, y, runs: model.rows, hues, lines, words, open });
    legend(colours, hues);
  }

  /** @param {number} run */
  function words(run) {
    const { x, y, colour } = chosen();
    const name = String(model.frame.columns.get("run.name")?.values[run] ?? model.frame.names[run]);
    const told = [x, y, colour].filter((column) => column !== null);
    return [short(name, 40), ...told.map((column) => `${column.name} ${short(value(column.values[run]), 30)}`)];
  }

  /** @param {number} run */
  function open(run) {
    location.assign(`${base}/runs/${encodeURIComponent(model.frame.names[run])}`);
  }

  return draw;
}

/**
 * @param {string} label
 * @param {boolean} on
 * @param {(on: boolean) => void} then
 */
function tick(label, on, then) {
  const box = el("input", { type: "checkbox", onchange: () => then(box.checked) });
  box.checked = on;
  return el("label", { class: "pick" }, box, label);
}
