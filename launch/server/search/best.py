"""The best value of its sweep's metric that a run logged, over its history and its summary.

So W&B's open engine takes it (`sweeps` 0.3.0, `run.metric_extremum`), whatever the last value is and whatever
`define_metric` has the summary keep. What history holds is noted as rows come (`watch`); only of runs whose rows
came before that was so is the history read here.
"""

import sqlite3
from collections.abc import Callable, Sequence

from launch.server.search.metric import Metric
from launch.server.storage import Tables, lines
from launch.server.wire import object_in

SUMMARIES = ("summary_metrics.", "summaryMetrics.")


def loss(tables: Tables, metric: Metric, row: sqlite3.Row) -> float | None:
    """The best loss of a run. `row`: its `run_id` and `summary`, the `lines` that were looked at, their `best`."""
    summary = object_in(row["summary"] or "{}")
    if row["lines"] is None:
        texts = tables.lines.texts(row["run_id"], lines.HISTORY)
        logged = [metric.loss(object_in(text)) for text in texts]
    else:
        logged = [row["best"]]
    return min((value for value in (metric.kept(summary), *logged) if value is not None), default=None)


def losses(tables: Tables, metric: Metric, sweep_id: int) -> dict[int, float | None]:
    """The best loss of each run of a sweep."""
    return {row["run_id"]: loss(tables, metric, row) for row in tables.rungs.summaries(sweep_id)}


def by_metric(
    tables: Tables, rows: Sequence[sqlite3.Row], order: object
) -> Callable[[sqlite3.Row], float | None] | None:
    """By what to order the runs of one sweep that are to come best first, as `Sweep.best_run` asks for them.

    None for any other order, and for runs that are not all of one sweep: they come by what their summaries hold.
    """
    sweeps = {row["sweep_id"] for row in rows}
    key = sweeps.pop() if len(sweeps) == 1 else None
    sweep = None if key is None else tables.sweeps.by_id(key)
    metric = None if sweep is None else metric_of(sweep)
    if sweep is None or metric is None:
        return None
    sign = "-" if metric.maximize else "+"
    if str(order).strip() not in [f"{sign}{prefix}{metric.name}" for prefix in SUMMARIES]:
        return None
    found = losses(tables, metric, sweep["id"])
    return lambda row: _turned(found.get(row["id"]), metric)


def best_of(tables: Tables, sweep: sqlite3.Row) -> float | None:
    """The best value of a sweep's metric over its runs, if it has one."""
    metric = metric_of(sweep)
    if metric is None:
        return None
    found = losses(tables, metric, sweep["id"]).values()
    return _turned(min((value for value in found if value is not None), default=None), metric)


def metric_of(sweep: sqlite3.Row) -> Metric | None:
    """The metric of a sweep as its row tells it: without its target."""
    return None if not sweep["metric"] else Metric(sweep["metric"], sweep["goal"] == "maximize")


def _turned(loss: float | None, metric: Metric) -> float | None:
    """A loss as the value that was logged."""
    return -loss if loss is not None and metric.maximize else loss
