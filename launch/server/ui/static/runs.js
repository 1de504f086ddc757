// @ts-check
/**
 * The page of a project's runs, whatever sweep they are of, or of none: the table and the drawings.
 */

import { charts } from "./charts.js";
import { el, given, put, the } from "./dom.js";
import { shown } from "./live.js";
import { Model } from "./model.js";
import { runsTable } from "./runs_table.js";

const { base, view } = given("page");
const model = new Model({ table: view, live: `${view}/live` });

runsTable(the("table"), model, base);
charts(the("charts"), model, { base, importance: null });
model.part((what) => {
  if (what !== "table") return;
  const { leftOut } = model.frame;
  put(the("left-out"), leftOut > 0 && `${leftOut} columns of configs and summaries are not shown.`);
});

model.load().then(
  () => model.follow(shown(the("live"))),
  (error) => put(the("table"), el("p", { class: "problem" }, `The runs could not be loaded: ${error.message}`)),
);
