// @ts-check
/**
 * The curves of a run: a chart a key, asked for when it comes into view, finer where somebody zooms in, longer as
 * rows arrive.
 */

import { ask } from "./ask.js";
import { chart } from "./chart.js";
import { el, put, the } from "./dom.js";
import { key as onKey } from "./keys.js";
import { read, write } from "./state.js";

const POINTS = 400;
const AT_ONCE = 60; // keys in one question: as many as the server answers

/** @typedef {import("./chart.js").Curve} Curve */
/** @typedef {{figure: HTMLElement, drawn: any, curve: Curve | null, span: [number, number] | null, seen: boolean}} Entry */

/**
 * @param {string} base where the run is asked
 * @param {string[]} keys
 */
export function curves(base, keys) {
  /** @type {Map<string, Entry>} */
  const entries = new Map();
  const grid = the("charts");
  const filter = /** @type {HTMLInputElement} */ (the("filter"));
  const log = /** @type {HTMLInputElement} */ (the("log"));
  /** @type {Set<string>} */
  const wanted = new Set();
  const watcher = new IntersectionObserver(
    (changes) => {
      for (const { target, isIntersecting } of changes) {
        const entry = entries.get(/** @type {HTMLElement} */ (target).dataset.key ?? "");
        if (!entry) continue;
        entry.seen = isIntersecting;
        if (isIntersecting && entry.curve === null) want(/** @type {HTMLElement} */ (target).dataset.key ?? "");
      }
    },
    { rootMargin: "300px" },
  );

  /** @param {string} key */
  function add(key) {
    const back = el("button", { class: "small", hidden: true, onclick: () => zoom(key, null, null) }, "all steps");
    const body = el("div", {});
    const figure = el("figure", { "data-key": key }, el("figcaption", {}, el("span", { title: key }, key), back), body);
    entries.set(key, { figure, drawn: chart(body, (from, to) => zoom(key, from, to)), curve: null, span: null, seen: false });
    grid.append(figure);
    watcher.observe(figure);
  }

  /** @param {string} key */
  function want(key) {
    if (wanted.size === 0) queueMicrotask(fetchWanted);
    wanted.add(key);
  }

  async function fetchWanted() {
    const some = [...wanted].slice(0, AT_ONCE);
    for (const key of some) wanted.delete(key);
    if (wanted.size) queueMicrotask(fetchWanted);
    const query = new URLSearchParams([["points", String(POINTS)], ...some.map((key) => ["key", key])]);
    const told = await asked(`${base}/curves?${query}`);
    for (const key of some) shown(key, told.keys[key]);
  }

  /** @param {string} address @returns {Promise<any>} */
  async function asked(address) {
    for (;;) {
      const told = await ask(address).catch((/** @type {Error} */ error) => {
        the("building").textContent = `The curves could not be loaded: ${error.message}`;
        return { keys: {} };
      });
      if (told.building === undefined) return told;
      the("building").textContent = `Reading rows of before: ${Math.round(100 * told.building)} %`;
    }
  }

  /** @param {string} key @param {Curve | undefined} curve */
  function shown(key, curve) {
    const entry = entries.get(key);
    if (!entry || !curve) return;
    the("building").textContent = "";
    entry.curve = curve;
    entry.drawn.show([{ name: key, curve, colour: undefined }], { log: log.checked, span: entry.span });
  }

  /** @param {string} key @param {number | null} from @param {number | null} to */
  async function zoom(key, from, to) {
    const entry = entries.get(key);
    if (!entry) return;
    entry.span = from === null || to === null ? null : [from, to];
    const button = entry.figure.querySelector("button");
    if (button) button.hidden = entry.span === null;
    const query = new URLSearchParams({ points: String(2 * POINTS), key });
    if (entry.span) for (const [name, value] of [["from", from], ["to", to]]) query.set(String(name), BigInt(Number(value)).toString());
    shown(key, (await asked(`${base}/curves?${query}`)).keys[key]);
  }

  /** @param {{points?: Record<string, [number[], (number | null)[]]>, again?: boolean, keys?: string[]}} told */
  function rows(told) {
    for (const key of Object.keys(told.points ?? {}).concat(told.keys ?? [])) if (!entries.has(key) && !key.startsWith("_")) add(key);
    for (const [key, entry] of entries) {
      const more = told.points?.[key];
      if (entry.curve === null || entry.span !== null || (!more && !told.again)) continue;
      const { x, mean } = entry.curve;
      if (!more || x.length > 3 * POINTS || more[0][0] <= x[x.length - 1]) {
        if (entry.seen) want(key);
        else entry.curve = null;
        continue;
      }
      x.push(...more[0]);
      for (const column of new Set([mean, entry.curve.low, entry.curve.high])) column?.push(...more[1]);
      shown(key, entry.curve);
    }
    empty();
  }

  function sift() {
    const words = filter.value.toLowerCase().split(/\s+/);
    for (const [key, { figure }] of entries) figure.hidden = !words.every((word) => key.toLowerCase().includes(word));
    empty();
  }

  function empty() {
    const none = [...entries.values()].every(({ figure }) => figure.hidden);
    put(the("no-charts"), none && (entries.size ? "No key matches." : "No curves: this run has logged no numbers."));
  }

  filter.value = read("filter");
  log.checked = read("log") === "1";
  filter.addEventListener("input", () => (write({ filter: filter.value || null }, { back: false }), sift()));
  log.addEventListener("change", () => {
    write({ log: log.checked ? "1" : null }, { back: false });
    for (const [key, entry] of entries) if (entry.curve) shown(key, entry.curve);
  });
  onKey("/", "find a key", () => filter.focus());
  onKey("l", "logarithmic axes", () => log.click());
  for (const key of keys) add(key);
  sift();
  return { rows };
}
