// @ts-check
/**
 * What is best so far, by the mean of the sweep's metric over replicates, and what runs now.
 */

import { factors } from "./chosen.js";
import { el, put } from "./dom.js";
import { ago, number, short, value } from "./format.js";
import { condition } from "./filter.js";
import { grouped, sorted, summary } from "./stats.js";
import { mean } from "./table_rows.js";

/** @typedef {import("./model.js").Model} Model */

const SHOWN = 5;
const RUNNING = 8;
const MOST_FACTORS = 8;

/**
 * The best groups of all runs that have finished, whatever the filter.
 * @param {HTMLElement} host
 * @param {Model} model
 */
export function best(host, model) {
  const { frame } = model;
  const target = frame.target;
  if (target === null) {
    const why = frame.metric === null ? "The definition names no metric; choose one above." : `No run has told ${frame.metric.name} yet.`;
    put(host, el("p", { class: "empty" }, why));
    return;
  }
  const by = factors(model);
  const states = frame.columns.get("run.state")?.values ?? [];
  const all = grouped(frame.names.map((_, index) => index).filter((index) => states[index] === "finished"), by);
  const groups = all.map((group) => ({ ...group, mean: summary(target, group.runs) })).filter((group) => group.mean.n > 0);
  if (groups.length === 0) {
    put(host, el("p", { class: "empty" }, `No run that has finished tells ${target.name}.`));
    return;
  }
  const maximize = frame.metric?.goal === "max";
  const rows = sorted(groups, (group) => group.mean.mean, maximize).slice(0, SHOWN);
  const places = by.map((_, place) => place);
  const varies = places.filter((place) => new Set(rows.map((group) => group.levels[place])).size > 1);
  const alike = rows.length > 1 ? places.filter((place) => !varies.includes(place)) : [];
  const shown = (rows.length > 1 ? varies : places).slice(0, MOST_FACTORS);
  const level = (/** @type {(typeof rows)[0]} */ group, /** @type {number} */ place) =>
    typeof group.levels[place] === "number" ? number(Number(group.levels[place])) : value(group.levels[place]);
  const head = [el("th", { scope: "col", class: "number", title: target.path }, short(target.name, 22)), el("th", { scope: "col", class: "number" }, "n"),
    ...shown.map((place) => el("th", { scope: "col", title: by[place].path }, short(by[place].name, 18)))];
  const lines = rows.map((group) => {
    const levels = shown.map((place) => el("td", { title: level(group, place) }, short(level(group, place), 18)));
    const text = by.map((column, index) => condition(column, "=", [group.levels[index]])).join(" ");
    const narrow = () => model.narrow(text);
    const size = el("button", { type: "button", class: "plain", title: "show these runs", onclick: narrow }, group.mean.n);
    return el("tr", {}, el("td", { class: "number" }, mean(group.mean)), el("td", { class: "number" }, size), ...levels);
  });
  const table = el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...lines));
  const left = by.length - shown.length - alike.length;
  const same = alike.filter((place) => (rows[0].levels[place] ?? null) !== null).map((place) => `${by[place].name} ${level(rows[0], place)}`).join(", ");
  const note = `${maximize ? "Largest" : "Smallest"} mean of ${groups.length} group${groups.length === 1 ? "" : "s"}`;
  put(host, el("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Best so far" }, table),
    el("p", { class: "empty" }, note + (same ? `; of all of these ${same}` : "") + (left > 0 ? `; ${left} more factors are not shown` : "") + "."));
}

/**
 * The runs that live.
 * @param {HTMLElement} host
 * @param {Model} model
 * @param {string} base
 */
export function running(host, model, base) {
  const { frame } = model;
  const states = frame.columns.get("run.state")?.values ?? [];
  const alive = frame.names.map((_, index) => index).filter((index) => states[index] === "running" || states[index] === "pending");
  const target = frame.target;
  const lines = alive.slice(-RUNNING).reverse().map((index) => {
    const label = String(frame.columns.get("run.name")?.values[index] ?? frame.names[index]);
    const result = target?.values[index];
    const levels = frame.factors.slice(0, 4).map((column) => `${column.name} ${value(column.values[index])}`).join(", ");
    return el("li", {},
      el("a", { href: `${base}/runs/${encodeURIComponent(frame.names[index])}`, title: label }, short(label, 24)), " ",
      el("span", { class: `state ${states[index]}` }, String(states[index])), " ",
      el("small", { title: levels }, short(levels, 60)), " ",
      typeof result === "number" && el("span", { class: "now" }, `${target?.name} ${number(result)}`), " ",
      el("small", {}, `began ${ago(Number(frame.columns.get("run.created")?.values[index]))}`));
  });
  const left = alive.length - lines.length;
  put(host, lines.length ? el("ul", {}, ...lines) : el("p", { class: "empty" }, "Nothing runs now."),
    left > 0 && el("p", { class: "empty" }, `and ${left} more`));
}
