// @ts-check
/**
 * A list that opens under a button, with a box to tick for each thing, and a field that narrows a long list.
 */

import { el, put } from "./dom.js";

const LONG = 12;

/** @typedef {{key: string, name: string, title: string}} Option */

/**
 * The button with its list. `options` and `chosen` are asked for when it opens.
 * @param {string} label
 * @param {() => Option[]} options
 * @param {() => string[]} chosen
 * @param {(keys: string[] | null) => void} choose null: back to what is shown unless somebody chooses
 * @returns {HTMLDetailsElement}
 */
export function chooser(label, options, chosen, choose) {
  const list = el("div", { class: "options" });
  const box = el("details", { class: "choose" }, el("summary", {}, label), list);

  function fill() {
    const ticked = new Set(chosen());
    const all = options();
    const boxes = all.map((option) => {
      const tick = el("input", { type: "checkbox", value: option.key, onchange: pick });
      tick.checked = ticked.has(option.key);
      return el("label", { title: option.title, "data-text": option.title.toLowerCase() }, tick, ` ${option.name}`);
    });
    const find = el("input", { type: "search", placeholder: "find", "aria-label": `find in ${label}`, oninput: narrow });
    const buttons = el(
      "p",
      {},
      el("button", { type: "button", onclick: () => set(all.map(({ key }) => key)) }, "All"),
      " ",
      el("button", { type: "button", onclick: () => set([]) }, "None"),
      " ",
      el("button", { type: "button", onclick: () => set(null) }, "Default"),
    );
    put(list, all.length > LONG && find, buttons, ...boxes);
  }

  function ticks() {
    return [...list.querySelectorAll("input")].filter((tick) => tick.type === "checkbox");
  }

  function pick() {
    choose(ticks().filter((tick) => tick.checked).map((tick) => tick.value));
  }

  /** @param {string[] | null} keys */
  function set(keys) {
    choose(keys);
    const now = new Set(chosen());
    for (const tick of ticks()) tick.checked = now.has(tick.value);
  }

  /** @param {Event} event */
  function narrow(event) {
    const words = /** @type {HTMLInputElement} */ (event.target).value.toLowerCase();
    for (const item of list.querySelectorAll("label")) item.hidden = !item.dataset.text?.includes(words);
  }

  box.addEventListener("toggle", () => box.open && fill());
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box.open) return;
    box.open = false;
    box.querySelector("summary")?.focus();
  });
  document.addEventListener("pointerdown", (event) => {
    if (event.target instanceof Node && !box.contains(event.target)) box.open = false;
  });
  return box;
}

/**
 * A choice of one, with its label.
 * @param {string} label
 * @param {Option[]} options
 * @param {string} chosen
 * @param {(key: string) => void} choose
 * @returns {HTMLLabelElement}
 */
export function select(label, options, chosen, choose) {
  const items = options.map(({ key, name, title }) => el("option", { value: key, title, selected: key === chosen }, name));
  const node = el("select", { "aria-label": label, onchange: () => choose(node.value) }, ...items);
  return el("label", { class: "pick" }, `${label} `, node);
}
