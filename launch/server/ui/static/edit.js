// @ts-check
/**
 * The notes and the tags of a run, which a person may change who is logged in. The element `#edit` holds what they are:
 * `data-given='{"address", "notes", "tags", "mayChange", "login"}'`.
 */

import { send } from "./ask.js";
import { el, given, put, the } from "./dom.js";

const host = the("edit");
const { address, mayChange, login, ...now } = given("edit");

function show() {
  const tags = now.tags.map((/** @type {string} */ tag) => el("span", { class: "tag" }, tag));
  const press = el("button", { type: "button", onclick: change }, now.notes || tags.length ? "Edit" : "Add notes or tags");
  const door = el("small", {}, el("a", { href: login }, "Log in"), " to edit notes and tags");
  put(host, now.notes && el("p", { class: "notes" }, now.notes), el("p", { class: "buttons" }, ...tags, mayChange ? press : door));
}

function change() {
  const notes = el("textarea", { rows: 3, id: "edit-notes", maxlength: 20000 }, now.notes);
  const tags = el("input", { id: "edit-tags", value: now.tags.join(", "), placeholder: "tags, with commas between" });
  const problem = el("span", { class: "problem", role: "alert" });

  /** @param {Event} event */
  async function save(event) {
    event.preventDefault();
    try {
      Object.assign(now, await send(address, { notes: notes.value, tags: tags.value.split(",") }));
      show();
    } catch (error) {
      put(problem, error instanceof Error ? error.message : String(error));
    }
  }

  const form = el(
    "form",
    { class: "edit", onsubmit: save },
    el("p", {}, el("label", { for: "edit-notes" }, "Notes"), notes),
    el("p", {}, el("label", { for: "edit-tags" }, "Tags"), tags),
    el("p", { class: "buttons" }, el("button", {}, "Save"), " ", el("button", { type: "button", onclick: show }, "Cancel"), " ", problem),
  );
  put(host, form);
  notes.focus();
}

show();
