// @ts-check
/**
 * The page of an artifact's version: its lineage.
 */

import { given, the } from "./dom.js";
import { graph } from "./graph.js";

graph(the("lineage"), `${given("given").base}/lineage`);
