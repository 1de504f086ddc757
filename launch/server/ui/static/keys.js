// @ts-check
/**
 * Keys that a page listens to, and the list of them that `?` opens. While somebody types, none works but Escape.
 */

import { el } from "./dom.js";

/** @type {Map<string, [string, () => void]>} */
const KEYS = new Map();
/** @type {HTMLDialogElement | null} */
let list = null;

/**
 * Listen to a key (`/`, `g`, `Escape`, …): what it does in a few words, and the doing.
 * @param {string} name
 * @param {string} words
 * @param {() => void} act
 */
export function key(name, words, act) {
  if (KEYS.size === 0) document.addEventListener("keydown", pressed);
  KEYS.set(name, [words, act]);
}

/**
 * Open the list of keys, or close it.
 */
export function help() {
  if (list?.open) {
    list.close();
    return;
  }
  list?.remove();
  const rows = [...KEYS, /** @type {[string, [string, () => void]]} */ (["?", ["this list", help]])];
  list = el(
    "dialog",
    { class: "keys", "aria-labelledby": "keys-title" },
    el("h2", { id: "keys-title" }, "Keys"),
    el("dl", {}, ...rows.flatMap(([name, [words]]) => [el("dt", {}, el("kbd", {}, name)), el("dd", {}, words)])),
    el("form", { method: "dialog" }, el("button", {}, "Close")),
  );
  document.body.append(list);
  list.showModal();
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (typing(event.target) && event.key !== "Escape") return;
  if (list?.open && event.key !== "?") return;
  const act = event.key === "?" ? help : KEYS.get(event.key)?.[1];
  if (act === undefined) return;
  if (event.key !== "Escape") event.preventDefault();
  act();
}

/** @param {EventTarget | null} target */
function typing(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "button"].includes(target.type);
  return target.isContentEditable || ["TEXTAREA", "SELECT"].includes(target.tagName);
}
