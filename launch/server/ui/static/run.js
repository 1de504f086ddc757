// @ts-check
/**
 * The page of a run: what the server wrote into it, made alive.
 */

import { ask } from "./ask.js";
import { chart } from "./chart.js";
import { console_ } from "./console.js";
import { curves } from "./curves.js";
import { el, given, put, the } from "./dom.js";
import { value } from "./format.js";
import { graph } from "./graph.js";
import { listen, shown } from "./live.js";
import { media } from "./media.js";

const SYSTEM_MS = 15000;

const told = given("given");
/** @type {[number, number, number]} */
let mark = [told.rows, told.console, told.files];
let state = told.state;
const drawn = curves(told.base, told.keys);
const pictures = media(told.base, told.media);
const log = console_(told.base, told.first);

/** @param {any} change */
function changed(change) {
  mark = change.mark;
  if (change.state !== undefined) {
    state = change.state.toLowerCase();
    const badge = the("state");
    badge.className = `state ${state}`;
    badge.textContent = state;
  }
  if (change.points || change.again) drawn.rows(change);
  if (change.media?.length) pictures.came(change.media);
  if (change.console) log.came(change.console);
  if (change.summary) summary(change.summary);
  if (change.files !== undefined) put(the("file-count"), String(change.files));
}

/** @param {Record<string, unknown>} change */
function summary(change) {
  const body = the("summary");
  const rows = new Map([...body.children].map((row) => [/** @type {HTMLElement} */ (row).dataset.key, row]));
  for (const [key, content] of Object.entries(change)) {
    const there = rows.get(key);
    if (content === null) there?.remove();
    else if (there) put(/** @type {Element} */ (there.lastElementChild), value(content));
    else body.append(el("tr", { "data-key": key }, el("th", { scope: "row" }, key), el("td", {}, value(content))));
  }
  the("no-summary").hidden = body.childElementCount > 0;
}

/** The machine's own curves; they are few lines, so they are asked for whole. */
async function system() {
  const curve = await ask(`${told.base}/system`);
  const grid = the("system");
  for (const [key, mean] of Object.entries(curve.keys)) {
    let body = /** @type {any} */ ([...grid.children].find((figure) => /** @type {HTMLElement} */ (figure).dataset.key === key));
    if (body === undefined) {
      const inner = el("div", {});
      body = el("figure", { "data-key": key }, el("figcaption", {}, el("span", { title: key }, key.replace(/^system\./, ""))), inner);
      body.chart = chart(inner);
      grid.append(body);
    }
    body.chart.show([{ name: key, curve: { x: curve.x, mean }, colour: undefined }], { height: 130, words: "over seconds" });
  }
  the("system-section").hidden = Object.keys(curve.keys).length === 0;
}

const details = /** @type {HTMLDetailsElement} */ (the("system-section"));
details.addEventListener("toggle", () => details.open && system());
setInterval(() => details.open && state === "running" && document.visibilityState === "visible" && system(), SYSTEM_MS);
graph(the("lineage"), `${told.base}/lineage`);
listen(
  () => `${told.base}/live?${new URLSearchParams({ row: String(mark[0]), console: String(mark[1]), files: String(mark[2]), state })}`,
  changed,
  shown(the("live")),
);
