// @ts-check
/**
 * The drawings of a sweep's runs, one in view at a time: parallel coordinates, scatter, importance.
 */

import { el, put } from "./dom.js";
import { importance } from "./importance.js";
import { key } from "./keys.js";
import { once } from "./model.js";
import { resized } from "./paper.js";
import { parallel } from "./parallel.js";
import { scatter } from "./scatter.js";
import { themed } from "./colours.js";
import { read, write } from "./state.js";

const MANY = 2000;
const PAUSE_MS = 150; // so that typing is not kept waiting by a drawing of very many runs

/** @typedef {{name: string, title: string, make: (host: HTMLElement) => () => void}} Chart */

/**
 * The tabs and their drawings. Without `importance` (the address that tells it) there are two.
 * @param {HTMLElement} host
 * @param {import("./model.js").Model} model
 * @param {{base: string, importance: string | null}} page
 */
export function charts(host, model, page) {
  /** @type {Chart[]} */
  const all = [
    { name: "parallel", title: "Parallel coordinates", make: (under) => parallel(under, model) },
    { name: "scatter", title: "Scatter", make: (under) => scatter(under, model, page) },
  ];
  const address = page.importance;
  if (address) all.push({ name: "importance", title: "Importance", make: (under) => importance(under, address) });
  const panel = el("div", { role: "tabpanel", id: "drawing", tabindex: -1 });
  const tabs = all.map((chart, index) =>
    el("button", { type: "button", role: "tab", id: `tab-${chart.name}`, "aria-controls": "drawing", onclick: () => choose(index), onkeydown: move }, chart.title));
  put(host, el("div", { role: "tablist", "aria-label": "Drawings" }, ...tabs), panel);
  /** @type {string | null} */
  let shown = null;
  let draw = () => {};
  let count = -1;

  const now = () => Math.max(0, all.findIndex(({ name }) => name === read("chart", all[0].name)));

  /** @param {number} index */
  function choose(index) {
    write({ chart: index ? all[index].name : null });
    show();
  }

  /** @param {KeyboardEvent} event */
  function move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const next = (now() + step + all.length) % all.length;
    choose(next);
    tabs[next].focus();
  }

  function show() {
    const index = now();
    const anew = shown !== all[index].name;
    if (anew) {
      shown = all[index].name;
      for (const [place, tab] of tabs.entries()) {
        tab.setAttribute("aria-selected", String(place === index));
        tab.tabIndex = place === index ? 0 : -1;
      }
      panel.setAttribute("aria-labelledby", tabs[index].id);
      const sheet = el("div"); // of its own: what a drawing has asked for comes late, when another one is shown
      put(panel, sheet);
      draw = all[index].make(sheet);
    }
    if (anew || shown !== "importance" || model.frame.count !== count) draw();
    count = model.frame.count;
  }

  for (const [index, { title }] of all.entries()) key(String(index + 1), title.toLowerCase(), () => choose(index));
  const later = once(show, { after: () => (model.frame.count > MANY && panel.childElementCount > 0 ? PAUSE_MS : 0) });
  model.part(later);
  resized(panel, later);
  themed(later);
}
