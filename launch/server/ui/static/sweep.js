// @ts-check
/**
 * The page of a sweep: progress, what runs, what is best, drawings and the table, all of the same runs.
 */

import { actions } from "./actions.js";
import { best, running } from "./best.js";
import { charts } from "./charts.js";
import { el, given, put, the } from "./dom.js";
import { shown } from "./live.js";
import { metricChoice } from "./metric.js";
import { Model, once } from "./model.js";
import { runsTable } from "./runs_table.js";

const { base, view, address, mayChange, login } = given("page");
const model = new Model({ table: `${view}/runs`, live: `${view}/live` });
const told = once(summarise, { after: () => 0 });
const act = actions(the("actions"), { address, mayChange, login });

runsTable(the("table"), model, base);
charts(the("charts"), model, { base, importance: `${view}/importance` });
model.part((what) => what !== "filter" && told());
model.part((what) => what === "live" && dispatchEvent(new Event("runs"))); // the curves are a module of their own

function summarise() {
  metricChoice(the("metric"), model);
  best(the("best"), model);
  running(the("running"), model, base);
  put(the("left-out"), model.frame.leftOut > 0 && `${model.frame.leftOut} columns of configs and summaries are not shown.`);
  const { progress } = model;
  if (progress === null) return;
  act(progress);
  const state = the("state");
  state.className = `state ${progress.state.toLowerCase()}`;
  put(state, progress.state.toLowerCase());
  const bar = /** @type {HTMLProgressElement | null} */ (document.querySelector("progress"));
  if (bar !== null) bar.value = progress.ended;
  const states = new Map();
  for (const item of model.frame.columns.get("run.state")?.values ?? []) states.set(item, (states.get(item) ?? 0) + 1);
  const rest = progress.method === "grid" ? `${progress.pending} waiting` : `${progress.method} search` +
    (progress.size === null ? ", no end" : `, ${progress.size - progress.ended - progress.claimed} to draw`);
  put(the("progress"), el("b", {}, progress.ended), progress.size !== null && " of ", progress.size !== null && el("b", {}, progress.size),
    ` points ended · ${progress.claimed} being worked on · ${rest}`,
    ...[...states].map(([name, number]) => ` · ${number} ${name}`), ` · ${progress.agents} agent${progress.agents === 1 ? "" : "s"} now`);
}

model.load().then(
  () => model.follow(shown(the("live"))),
  (error) => put(the("table"), el("p", { class: "problem" }, `The runs could not be loaded: ${error.message}`)),
);
