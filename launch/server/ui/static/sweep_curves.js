// @ts-check
/**
 * Curves of a sweep's runs over each other: a line a run, or a band for each value of a factor. The page has a
 * `<section id="curves" data-base="/view/{entity}/{project}/sweeps/{sweep}">`, which is filled here.
 */

import { ask } from "./ask.js";
import { chart } from "./chart.js";
import { nth } from "./colours.js";
import { el, put, the } from "./dom.js";
import { short } from "./format.js";
import { changed, read, write } from "./state.js";

/** @typedef {{keys: string[], factors: string[], key: string | null, by: string, runs: number, cut: boolean, lines?: any[], bands?: any[]}} Told */

const section = the("curves");
const base = section.dataset.base ?? "";
const key = el("select", { id: "curves-key", onchange: () => choose({ curve: key.value }) });
const by = el("select", { id: "curves-by", onchange: () => choose({ curves_by: by.value || null }) });
const log = el("input", { type: "checkbox", id: "curves-log", onchange: () => choose({ curves_log: log.checked ? "1" : null }) });
const body = el("div", {});
const legend = el("ul", { class: "legend" });
const words = el("p", { class: "facts" });
const drawn = chart(body);
const PAUSE_MS = 5000;
let asked = 0;
let waiting = false;

/** @param {Record<string, string | null>} change */
function choose(change) {
  write(change);
  load();
}

/** Ask for what the address says, and draw it. */
export async function load() {
  const number = ++asked;
  const query = new URLSearchParams({ key: read("curve"), by: read("curves_by") });
  try {
    let told = await ask(`${base}/curves?${query}`);
    while (told.building !== undefined) {
      words.textContent = `Reading rows of before: ${Math.round(100 * told.building)} %`;
      told = await ask(`${base}/curves?${query}`);
    }
    if (number === asked) show(told);
  } catch (error) {
    words.textContent = `The curves could not be loaded: ${error instanceof Error ? error.message : error}`;
  }
}

/** @param {Told} told */
function show(told) {
  options(key, told.keys, told.key ?? "");
  options(by, ["", ...told.factors], told.by);
  log.checked = read("curves_log") === "1";
  section.hidden = told.keys.length === 0;
  const found = told.bands ?? told.lines ?? [];
  const lines = found.map((one, index) => ({ name: named(told, one), curve: told.bands ? one : { x: one.x, mean: one.mean }, colour: nth(index), faint: !told.bands }));
  drawn.show(lines, { log: log.checked, height: 320 });
  put(legend, ...(told.bands ? found.map((one, index) => item(named(told, one), index, `${one.runs} runs`)) : []));
  const line = told.bands ? "mean, and lowest to highest run" : "a line a run";
  const rest = told.cut ? ` The first ${found.length} are drawn.` : "";
  words.textContent = `${told.key ?? ""} over steps: ${line}.${rest}`;
}

/** @param {Told} told @param {any} one */
function named(told, one) {
  return told.bands ? `${told.by} = ${one.name}` : one.name;
}

/** @param {string} name @param {number} index @param {string} more */
function item(name, index, more) {
  return el("li", { title: name }, el("i", { class: "swatch", style: { background: nth(index) } }), short(name, 40), " ", el("small", {}, more));
}

/** @param {HTMLSelectElement} node @param {string[]} names @param {string} chosen */
function options(node, names, chosen) {
  if (document.activeElement === node) return; // somebody is choosing
  put(node, ...names.map((name) => el("option", { value: name, selected: name === chosen }, name || "nothing: a line a run")));
}

put(
  section,
  el("h2", {}, "Curves"),
  el(
    "p",
    { class: "bar" },
    el("label", { for: "curves-key" }, "Key "),
    key,
    el("label", { for: "curves-by" }, " grouped by "),
    by,
    el("label", {}, log, " log axis"),
  ),
  words,
  body,
  legend,
);
/** Once more, when runs have told something: at most every few seconds, and only while it is looked at. */
function again() {
  if (waiting || document.visibilityState !== "visible") return;
  waiting = true;
  setTimeout(() => {
    waiting = false;
    void load();
  }, PAUSE_MS);
}

changed(load);
addEventListener("runs", again);
void load();
