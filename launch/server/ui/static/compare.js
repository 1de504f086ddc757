// @ts-check
/**
 * Several runs beside each other: their curves in one chart a key, their media side by side.
 */

import { ask } from "./ask.js";
import { chart } from "./chart.js";
import { nth } from "./colours.js";
import { el, given, put, the } from "./dom.js";
import { short } from "./format.js";
import { drawn } from "./media.js";
import { read, write } from "./state.js";

/** @typedef {{name: string, shown: string, href: string}} Run */

const FIRST_KEYS = 12;
const AT_ONCE = 60; // keys in one question: as many as the server answers

const told = given("given");
/** @type {Run[]} */
const runs = told.runs;
const query = runs.map((run) => ["run", run.name]);
const log = /** @type {HTMLInputElement} */ (the("log"));
/** @type {Map<string, {drawn: any, curves: any[] | null, span: [number, number] | null}>} */
const charts = new Map();

/** @param {string} key */
function add(key) {
  const body = el("div", {});
  the("charts").append(el("figure", {}, el("figcaption", {}, el("span", { title: key }, key)), body));
  charts.set(key, { drawn: chart(body, (from, to) => zoom(key, from, to)), curves: null, span: null });
}

/** @param {string[]} keys @param {[number, number] | null} span */
async function load(keys, span) {
  const more = span === null ? [] : [["from", String(span[0])], ["to", String(span[1])]];
  const words = new URLSearchParams([...query, ...keys.map((key) => ["key", key]), ...more]);
  try {
    let curves = await ask(`${told.base}/compare/curves?${words}`);
    while (curves.building !== undefined) curves = await ask(`${told.base}/compare/curves?${words}`);
    for (const key of keys) show(key, curves.keys[key], span);
  } catch (error) {
    put(the("more"), el("span", { class: "problem" }, `The curves could not be loaded: ${error instanceof Error ? error.message : error}`));
  }
}

/** @param {string} key @param {any[]} curves @param {[number, number] | null} span */
function show(key, curves, span) {
  const entry = charts.get(key);
  if (!entry) return;
  Object.assign(entry, { curves, span });
  const lines = curves.map((curve, index) => ({ name: runs[index].shown, curve, colour: nth(index), faint: index > 7 }));
  entry.drawn.show(lines.filter(({ curve }) => curve.x.length > 0), { log: log.checked, span });
}

/** @param {string} key @param {number | null} from @param {number | null} to */
function zoom(key, from, to) {
  load([key], from === null || to === null ? null : [from, to]);
}

/** @param {string} key */
async function pictures(key) {
  const places = runs.map((run) => ({ run, base: `${told.base}/runs/${encodeURIComponent(run.name)}` }));
  const found = await Promise.all(places.map(({ base }) => ask(`${base}/media?${new URLSearchParams({ key })}`).catch(() => null)));
  const columns = places.map(({ run, base }, index) => {
    const items = found[index]?.items ?? [];
    const shown = items.slice(0, 8).map((/** @type {any} */ item) => drawn(base, found[index].kind, `${key} of ${run.shown}`, item));
    const step = found[index] ? ` step ${found[index].step}` : "";
    return el("div", {}, el("p", { title: run.shown }, el("a", { href: run.href }, short(run.shown, 24)), el("small", {}, step)), ...(shown.length ? shown : [el("p", { class: "empty" }, "none")]));
  });
  the("media").append(el("section", {}, el("h3", {}, key), el("div", { class: "beside", tabindex: 0, role: "region", "aria-label": `${key} of each run` }, ...columns)));
}

/** @param {boolean} all */
function keys(all) {
  const some = (all ? told.keys : told.keys.slice(0, FIRST_KEYS)).filter((/** @type {string} */ key) => !charts.has(key));
  some.forEach(add);
  for (let first = 0; first < some.length; first += AT_ONCE) void load(some.slice(first, first + AT_ONCE), null);
  const rest = told.keys.length - charts.size;
  put(the("more"), rest > 0 && el("button", { onclick: () => keys(true) }, `${rest} more keys`));
}

for (const [index, swatch] of [...document.querySelectorAll(".swatch")].entries()) /** @type {HTMLElement} */ (swatch).style.background = nth(index % runs.length);
log.checked = read("log") === "1";
log.addEventListener("change", () => {
  write({ log: log.checked ? "1" : null }, { back: false });
  for (const [key, { curves, span }] of charts) if (curves) show(key, curves, span);
});
keys(false);
told.media.forEach(pictures);
