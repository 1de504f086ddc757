// @ts-check
/**
 * The console of a run: it follows what is printed while its end is in view, and fetches what is above.
 */

import { ask } from "./ask.js";
import { el, the } from "./dom.js";

const NEAR = 40;
const MOST = 5000;

/** @typedef {[string, string | null]} Line what it says, and its level */

/**
 * @param {string} base
 * @param {number} first the number of the first line that the page has
 */
export function console_(base, first) {
  const log = the("log-lines");
  const earlier = /** @type {HTMLButtonElement} */ (the("earlier"));

  /** @param {Line[]} lines */
  function rows(lines) {
    return lines.map(([words, level]) => el("span", { class: level ?? false }, `${words}\n`));
  }

  function follow() {
    return log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
  }

  async function above() {
    const told = await ask(`${base}/console?before=${first}`);
    const height = log.scrollHeight;
    log.prepend(...rows(told.lines));
    log.scrollTop += log.scrollHeight - height;
    first = told.first;
    earlier.hidden = first <= 0;
  }

  earlier.hidden = first <= 0;
  earlier.addEventListener("click", above);
  log.scrollTop = log.scrollHeight;
  return {
    /** @param {{first: number, lines: Line[], anew: boolean}} told */
    came(told) {
      const near = follow();
      if (told.anew) {
        log.replaceChildren();
        first = told.first;
        earlier.hidden = first <= 0;
      }
      log.append(...rows(told.lines));
      while (log.childElementCount > MOST) log.firstElementChild?.remove();
      the("no-lines").hidden = log.childElementCount > 0;
      log.hidden = log.childElementCount === 0;
      if (near) log.scrollTop = log.scrollHeight;
    },
  };
}
