// @ts-check
/**
 * Which metric runs are compared by: that of the sweep's definition, or another that the reader chooses. It stands
 * in the address, `?metric=acc&goal=max`.
 */

import { select } from "./choose.js";
import { el, put } from "./dom.js";
import { short } from "./format.js";
import { read, write } from "./state.js";

const GOALS = [
  { key: "min", name: "smallest", title: "lower is better" },
  { key: "max", name: "largest", title: "higher is better" },
];

/**
 * The metric of the address as the server is asked for it, behind a `?` or a `&`; nothing where it names none.
 * @returns {string}
 */
export function asked() {
  const name = read("metric");
  return name && `metric=${encodeURIComponent(name)}&goal=${read("goal", "min")}`;
}

/**
 * The choice: every number of the summaries, and which end of it is best.
 * @param {HTMLElement} host
 * @param {import("./model.js").Model} model
 */
export function metricChoice(host, model) {
  if (host.matches(":focus-within")) return; // somebody is choosing
  const { metric } = model.frame;
  const numbers = [...model.frame.columns.values()].filter(({ kind, numeric }) => kind === "summary" && numeric);
  const paths = numbers.map(({ path }) => path).sort();
  if (metric !== null && !paths.includes(metric.name)) paths.unshift(metric.name);
  const options = paths.map((path) => ({ key: path, name: short(path, 40), title: path }));
  if (metric === null) options.unshift({ key: "", name: "choose one", title: "the definition names no metric" });
  const goal = metric?.goal ?? "min";
  const choose = (/** @type {Record<string, string | null>} */ changes) => {
    write(changes);
    void model.load();
  };
  put(host,
    options.length > 0 && select("metric", options, metric?.name ?? "", (name) => choose(name ? { metric: name, goal } : { metric: null, goal: null })),
    " ", metric !== null && select("best is", GOALS, goal, (end) => choose({ metric: metric.name, goal: end })),
    " ", read("metric") !== "" && el("button", { type: "button", class: "plain", onclick: () => choose({ metric: null, goal: null }) }, "as defined"));
}
