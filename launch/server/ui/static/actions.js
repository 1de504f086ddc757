// @ts-check
/**
 * What may be done to a sweep: pause, resume, stop, cancel, open failed points again. Without a session it takes a
 * log-in, to which a link leads.
 */

import { send } from "./ask.js";
import { el, put } from "./dom.js";

/** @typedef {{action: string, words: string, why: string, sure: string | null}} Offer */

/** @type {Record<string, Offer>} */
const OFFERS = {
  pause: { action: "pause", words: "Pause", why: "hand out no new points; what runs goes on", sure: null },
  resume: { action: "resume", words: "Resume", why: "hand out points again", sure: null },
  stop: { action: "stop", words: "Stop", why: "hand out no more points; what runs goes on to its end", sure: "Stop this sweep? What runs goes on to its end; agents then leave." },
  cancel: { action: "cancel", words: "Cancel", why: "hand out no more points, and ask what runs to stop", sure: "Cancel this sweep? Its runs are asked to stop." },
  reopen: { action: "reopen", words: "Open failed points again", why: "points whose runs failed are handed out once more; those runs stay", sure: null },
};

/**
 * The buttons in an element; what to call when the progress is told.
 * @param {HTMLElement} host
 * @param {{address: string, mayChange: boolean, login: string}} page
 * @returns {(progress: any) => void}
 */
export function actions(host, { address, mayChange, login }) {
  const problem = el("span", { class: "problem", role: "status" });
  const buttons = el("span", { class: "buttons" });
  put(host, buttons, " ", problem);
  let before = "";

  /** @param {Offer} offer */
  async function act({ action, sure }) {
    if (sure !== null && !(await agreed(sure))) return;
    for (const button of buttons.querySelectorAll("button")) button.disabled = true;
    put(problem);
    try {
      const told = await send(address, { action });
      if (action === "reopen") put(problem, `${told.opened} point${told.opened === 1 ? "" : "s"} opened`);
    } catch (error) {
      put(problem, error instanceof Error ? error.message : String(error));
    }
    for (const button of buttons.querySelectorAll("button")) button.disabled = false;
  }

  return ({ state, failed }) => {
    const now = `${state} ${failed}`;
    if (now === before) return;
    before = now;
    const offered = { RUNNING: ["pause", "stop", "cancel"], PAUSED: ["resume", "stop", "cancel"] }[String(state)] ?? ["resume"];
    if (failed > 0 && state !== "CANCELED") offered.push("reopen");
    if (!mayChange) {
      put(buttons, el("a", { href: login }, "Log in"), ` to ${offered.map((name) => OFFERS[name].words.toLowerCase()).join(", ")}.`);
      return;
    }
    put(buttons, ...offered.map((name) => {
      const count = name === "reopen" ? ` (${failed})` : "";
      return el("button", { type: "button", title: OFFERS[name].why, onclick: () => act(OFFERS[name]) }, OFFERS[name].words + count);
    }));
  };
}

/**
 * Ask whether somebody is sure.
 * @param {string} question
 * @returns {Promise<boolean>}
 */
export function agreed(question) {
  const box = el(
    "dialog",
    { "aria-labelledby": "question" },
    el("p", { id: "question" }, question),
    el("form", { method: "dialog", class: "buttons" }, el("button", { value: "yes" }, "Yes"), " ", el("button", { value: "no" }, "No")),
  );
  document.body.append(box);
  box.showModal();
  return new Promise((told) => {
    box.addEventListener("close", () => {
      box.remove();
      told(box.returnValue === "yes");
    });
  });
}
