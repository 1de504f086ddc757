// @ts-check
/**
 * The page of a project: the sweeps' progress as it goes on, and the best value so far of each sweep that is in view.
 */

import { ask } from "./ask.js";
import { el, given, put, the } from "./dom.js";
import { number, short, value } from "./format.js";
import { listen, shown } from "./live.js";

const { base, view } = given("page");
/** @type {Map<string, HTMLElement>} */
const rows = new Map([...document.querySelectorAll("[data-sweep]")].map((row) => {
  const node = /** @type {HTMLElement} */ (row);
  return [node.dataset.sweep ?? "", node];
}));

/** @param {HTMLElement} row */
async function best(row) {
  const cell = row.querySelector(".best");
  if (cell === null || !row.dataset.metric) return;
  try {
    const found = await ask(`/view${base}/sweeps/${encodeURIComponent(row.dataset.sweep ?? "")}/best`);
    if (found === null) {
      put(cell, "–");
      return;
    }
    const levels = Object.entries(found.factors).map(([path, level]) => `${path} ${value(level)}`).join(", ");
    const spread = found.std === null ? "" : `, standard deviation ${number(found.std)}`;
    const title = `${found.metric}: mean of ${found.n}${spread}; best of ${found.of} groups: ${levels}`;
    put(cell, el("span", { title }, `${short(found.metric, 20)} `, el("b", {}, number(found.mean)), el("small", {}, ` n = ${found.n}`)));
  } catch {
    put(cell, "?");
  }
}

const inView = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    inView.unobserve(target);
    void best(/** @type {HTMLElement} */ (target));
  }
});
for (const row of rows.values()) inView.observe(row);

/** @type {Map<string, number>} */
const before = new Map();

/** @param {any} event */
function told({ sweeps, runs }) {
  put(the("total"), runs);
  if (Object.keys(sweeps).some((name) => !rows.has(name))) {
    location.reload(); // a new sweep: rare, and the page holds no state
    return;
  }
  for (const [name, [state, , claimed, ended]] of Object.entries(sweeps)) {
    const row = /** @type {HTMLElement} */ (rows.get(name));
    const mark = row.querySelector(".state");
    if (mark) put(mark, state.toLowerCase()).className = `state ${state.toLowerCase()}`;
    const bar = row.querySelector("progress");
    if (bar) bar.value = ended;
    for (const [part, text] of [["ended", String(ended)], ["claimed", claimed ? ` · ${claimed} running` : ""]]) {
      const node = row.querySelector(`.${part}`);
      if (node) put(node, text);
    }
    if (before.has(name) && before.get(name) !== ended) inView.observe(row);
    before.set(name, ended);
  }
}

listen(() => `${view}/live`, told, shown(the("live")));
