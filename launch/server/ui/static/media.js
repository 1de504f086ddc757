// @ts-check
/**
 * What a run has logged beside numbers: images, sounds, tables, histograms, HTML, figures; a figure a key, with a
 * slider over the steps. HTML and Plotly's figures are drawn in a frame that reaches nothing.
 */

import { ask } from "./ask.js";
import { el, put, text, the } from "./dom.js";
import { histogram } from "./histogram.js";
import { table } from "./table.js";

/** Small ones first, so that the grid has no holes. */
const ORDER = ["image", "histogram", "audio", "video", "file", "table", "plotly", "html"];

/** @typedef {{file?: string, caption?: string | null, edges?: number[], counts?: number[]}} Item */

/**
 * The address of a file of a run.
 * @param {string} base
 * @param {string} way `files`, `html` or `plotly`
 * @param {string} name
 */
export function address(base, way, name) {
  return `${base}/${way}/${name.split("/").map(encodeURIComponent).join("/")}`;
}

/**
 * @param {string} base
 * @param {Record<string, string>} keys each with its kind
 */
export function media(base, keys) {
  /** @type {Map<string, {load: (line: number | null) => Promise<void>, last: () => boolean}>} */
  const figures = new Map();
  const watcher = new IntersectionObserver(
    (changes) => {
      for (const { target, isIntersecting } of changes) {
        if (!isIntersecting) continue;
        watcher.unobserve(target);
        figures.get(/** @type {HTMLElement} */ (target).dataset.key ?? "")?.load(null);
      }
    },
    { rootMargin: "300px" },
  );

  /** @param {string} key @param {string} kind */
  function add(key, kind) {
    const body = el("div", { class: "shown" }, el("p", { class: "empty" }, "…"));
    const slider = el("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": `step of ${key}` });
    const step = el("output", {});
    const figure = el(
      "figure",
      { class: `medium ${kind}`, "data-key": key },
      el("figcaption", {}, el("span", { title: key }, key)),
      body,
      el("div", { class: "steps", hidden: true }, slider, step),
    );
    /** @type {[number, number][]} */
    let steps = [];
    async function load(/** @type {number | null} */ line) {
      const query = new URLSearchParams({ key, ...(line === null ? {} : { at: String(line) }) });
      const told = await ask(`${base}/media?${query}`).catch((/** @type {Error} */ error) => ({ steps: [], items: [], words: error.message }));
      if (told.building !== undefined) return void load(line);
      steps = told.steps;
      slider.max = String(Math.max(steps.length - 1, 0));
      slider.value = String(steps.findIndex(([number]) => number === told.at));
      step.textContent = `step ${told.step}`;
      /** @type {HTMLElement} */ (slider.parentElement).hidden = steps.length < 2;
      put(body, ...told.items.map((/** @type {Item} */ item) => drawn(base, told.kind, key, item)));
      if (told.items.length === 0) put(body, el("p", { class: "empty" }, told.words ?? "Nothing."));
    }
    slider.addEventListener("input", () => load(steps[Number(slider.value)]?.[0] ?? null));
    figures.set(key, { load, last: () => slider.value === slider.max });
    the("media").append(figure);
    watcher.observe(figure);
  }

  const place = (/** @type {string} */ kind) => ORDER.indexOf(kind) + 1 || ORDER.length;
  for (const [key, kind] of Object.entries(keys).sort(([, a], [, b]) => place(a) - place(b))) add(key, kind);
  return {
    /** Keys of which something new was logged. @param {string[]} some */
    came(some) {
      for (const key of some) {
        const there = figures.get(key);
        if (there === undefined) add(key, "new");
        else if (there.last()) there.load(null);
      }
      the("media-section").hidden = figures.size === 0;
    },
  };
}

/**
 * @param {string} base
 * @param {string} kind
 * @param {string} key
 * @param {Item} item
 * @returns {Node}
 */
export function drawn(base, kind, key, item) {
  const file = item.file ?? "";
  const words = item.caption ?? "";
  const plain = address(base, "files", file);
  const caption = words && el("p", { class: "caption" }, words);
  switch (kind) {
    case "image":
      return el("div", {}, el("a", { href: plain }, el("img", { src: plain, alt: words || key, loading: "lazy" })), caption);
    case "audio":
      return el("div", {}, el("audio", { controls: true, preload: "none", src: plain, "aria-label": words || key }), caption);
    case "video":
      return el("div", {}, el("video", { controls: true, preload: "metadata", src: plain, "aria-label": words || key }), caption);
    case "html":
    case "plotly":
      return el("iframe", { sandbox: "allow-scripts", src: address(base, kind, file), title: key });
    case "table":
      return table(base, file, key);
    case "histogram":
      return histogram(item.edges ?? [], item.counts ?? [], key);
    default:
      return file ? el("a", { href: plain }, file) : text("something that this page does not know");
  }
}
