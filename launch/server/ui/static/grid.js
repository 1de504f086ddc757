// @ts-check
/**
 * A table of any length of which only the rows in view are there. The first columns stay where they are.
 */

import { el, put } from "./dom.js";

/** @typedef {{key: string, title: string, name: string, width: number, number?: boolean, fixed?: boolean, mark?: boolean, cell: (row: number) => import("./dom.js").Child}} GridColumn */
/** @typedef {{columns: GridColumn[], count: number, sort: string, label: string, sortBy: (key: string) => void}} Shown */

const ROW = 30;
const BEYOND = 8;

/** The table in an element. */
export class Grid {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.widths = el("colgroup");
    this.head = el("thead");
    this.body = el("tbody");
    this.table = el("table", { class: "grid" }, this.widths, this.head, this.body);
    this.frame = el("div", { class: "scroll", tabindex: 0, role: "region" }, this.table);
    put(host, this.frame);
    /** @type {Shown | null} */
    this.shown = null;
    this.range = [0, -1];
    let waiting = false;
    const later = () => {
      if (!waiting) requestAnimationFrame(() => {
        waiting = false;
        this.fill(false);
      });
      waiting = true;
    };
    this.frame.addEventListener("scroll", later, { passive: true });
    new ResizeObserver(later).observe(this.frame);
  }

  /**
   * Show other rows or columns; the place that was scrolled to stays.
   * @param {Shown} shown
   */
  show(shown) {
    const before = this.shown;
    this.shown = shown;
    this.frame.setAttribute("aria-label", shown.label);
    this.table.setAttribute("aria-rowcount", String(shown.count + 1));
    const same = before !== null && key(before) === key(shown);
    if (!same) {
      put(this.widths, ...shown.columns.map(({ width }) => el("col", { style: { width: `${width}px` } })));
      const whole = shown.columns.reduce((sum, { width }) => sum + width, 0);
      this.table.style.width = `${whole}px`;
      put(this.head, el("tr", { "aria-rowindex": 1 }, ...this.heads(shown)));
    }
    this.frame.style.maxHeight = `min(72vh, ${ROW * (shown.count + 1) + 24}px)`;
    this.fill(true);
  }

  /** @param {Shown} shown */
  heads({ columns, sort, sortBy }) {
    const lefts = edges(columns);
    return columns.map((column, index) => {
      const sorted = sort.replace(/^-/, "") === column.key;
      const order = sorted ? (sort.startsWith("-") ? "descending" : "ascending") : null;
      const arrow = order === null ? "" : order === "descending" ? " ↓" : " ↑";
      const press = el("button", { type: "button", onclick: () => sortBy(column.key), title: column.title }, column.name + arrow);
      const name = column.name === "" ? el("span", { class: "unseen" }, column.title) : press;
      return el("th", { scope: "col", class: looks(column), "aria-sort": order, style: lefts[index] }, name);
    });
  }

  /**
   * Make the rows in view.
   * @param {boolean} anew
   */
  fill(anew) {
    if (this.shown === null) return;
    const { columns, count } = this.shown;
    const above = Math.floor(this.frame.scrollTop / ROW);
    const below = above + Math.ceil((this.frame.clientHeight || 600) / ROW);
    if (!anew && above >= this.range[0] && Math.min(below, count) <= this.range[1]) return;
    const [first, last] = [Math.max(0, Math.min(above, count) - BEYOND), Math.min(count, below + BEYOND)];
    this.range = [first, last];
    const lefts = edges(columns);
    const rows = [];
    if (first > 0) rows.push(gap(first, columns.length));
    for (let row = first; row < last; row++) {
      const cells = columns.map((column, index) => el("td", { class: looks(column), style: lefts[index] }, column.cell(row)));
      rows.push(el("tr", { "aria-rowindex": row + 2 }, ...cells));
    }
    if (last < count) rows.push(gap(count - last, columns.length));
    const place = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.place : undefined;
    put(this.body, ...rows);
    const again = place ? this.body.querySelector(`[data-place="${CSS.escape(place)}"]`) : null;
    if (again instanceof HTMLElement) again.focus({ preventScroll: true });
  }
}

/**
 * The room that rows out of view take.
 * @param {number} rows
 * @param {number} columns
 */
function gap(rows, columns) {
  return el("tr", { "aria-hidden": "true", class: "gap" }, el("td", { colspan: columns, style: { height: `${rows * ROW}px` } }));
}

/**
 * @param {GridColumn[]} columns
 * @returns {({left: string} | null)[]}
 */
function edges(columns) {
  let left = 0;
  return columns.map(({ fixed, width }) => {
    if (!fixed) return null;
    left += width;
    return { left: `${left - width}px` };
  });
}

/** @param {GridColumn} column */
function looks({ number, fixed, mark }) {
  return [number && "number", fixed && "fixed", mark && "mark"].filter(Boolean).join(" ") || null;
}

/** @param {Shown} shown */
const key = ({ columns, sort }) => JSON.stringify([sort, columns.map((column) => [column.key, column.name, column.width])]);
