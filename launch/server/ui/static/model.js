// @ts-check
/**
 * What all parts of a page about runs look at: the runs, and which of them the filter shows. It is loaded once,
 * follows the stream, and tells its parts when something has changed.
 */

import { ask } from "./ask.js";
import { meeting, parse } from "./filter.js";
import { Frame } from "./frame.js";
import { listen } from "./live.js";
import { asked } from "./metric.js";
import { changed, read, write } from "./state.js";

/** @typedef {"table" | "live" | "filter" | "state"} What */

export class Model {
  /**
   * @param {{table: string, live: string}} addresses
   */
  constructor(addresses) {
    this.addresses = addresses;
    /** @type {((what: What) => void)[]} */
    this.parts = [];
    this.frame = new Frame({ name: [], label: [], created: [], columns: [], same: {}, mark: 0, left_out: 0, metric: null });
    /** @type {any} */
    this.progress = null;
    /** @type {import("./filter.js").Filter} */
    this.filter = { words: [], conditions: [], problems: [] };
    /** @type {number[]} */
    this.rows = [];
    this.loading = false;
    this.asked = asked();
    /** @type {(() => void) | null} */
    this.end = null;
    /** @type {((standing: import("./live.js").Standing) => void) | null} */
    this.standing = null;
    changed(() => {
      if (asked() !== this.asked) void this.load().catch(() => {});
      this.sift();
      this.tell("state");
    });
  }

  /** @param {(what: What) => void} part */
  part(part) {
    this.parts.push(part);
  }

  /** Ask for the whole table. */
  async load() {
    if (this.loading) return;
    this.loading = true;
    const others = this.asked !== asked();
    try {
      this.asked = asked();
      const told = await ask(this.addresses.table + (this.asked && `?${this.asked}`));
      this.frame = new Frame(told);
      this.progress = told.progress;
      this.sift();
      this.tell("table");
    } finally {
      this.loading = false;
    }
    if (others && this.standing) this.follow(this.standing); // the stream tells of the metric, too
    if (this.asked !== asked()) await this.load();
  }

  /**
   * Follow what changes.
   * @param {(standing: import("./live.js").Standing) => void} standing
   */
  follow(standing) {
    this.end?.();
    this.standing = standing;
    this.end = listen(() => `${this.addresses.live}?since=${this.frame.mark}${this.asked && `&${this.asked}`}`, (event) => this.take(event), standing);
  }

  /** @param {any} event */
  take(event) {
    if (this.frame.update(event)) {
      void this.load().catch(() => {});
      return;
    }
    this.progress = event.progress;
    this.sift();
    this.tell("live");
  }

  /** @returns {string} */
  get text() {
    return read("filter");
  }

  /**
   * Filter by another text.
   * @param {string} text
   * @param {{back?: boolean}} [how]
   */
  narrow(text, how) {
    write({ filter: text || null }, how);
    this.sift();
    this.tell("filter");
  }

  sift() {
    this.filter = parse(this.text, this.frame);
    this.rows = meeting(this.filter, this.frame);
  }

  /** @param {What} what */
  tell(what) {
    for (const part of this.parts) part(what);
  }
}

/**
 * Do something once in the next frame, however often it is asked for; or so many
 * milliseconds after that frame is shown.
 * @param {() => void} act
 * @param {{after?: () => number}} [how]
 * @returns {() => void}
 */
export function once(act, { after } = {}) {
  let waiting = false;
  const now = () => {
    waiting = false;
    act();
  };
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(after ? () => setTimeout(now, after()) : now);
  };
}
