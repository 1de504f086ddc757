"""What a run's rows mean for its sweep: it goes on, it is stopped early, or the sweep has reached its target.

Called in the transaction that stores the rows, and with each heartbeat of an agent. Only sweeps with a metric cost
anything here. This module does not know how a process is told to stop.
"""

import sqlite3

from launch.server.search.best import metric_of
from launch.server.search.definition import Search, read_search
from launch.server.search.hyperband import Hyperband
from launch.server.search.metric import Metric
from launch.server.storage import Tables, lines, runs
from launch.server.wire import object_in


def rows_came(tables: Tables, run: sqlite3.Row, first_line: int | None, summary: str | None) -> None:
    """Take in history from line `first_line` on, and a summary; a sweep whose target is reached is finished."""
    sweep = tables.sweeps.metric(run["sweep_id"])
    metric = None if sweep is None else metric_of(sweep)
    if metric is None:
        return
    search = watched(tables, run["sweep_id"])
    if search is not None and search.metric is not None:
        metric = search.metric
    best = None
    if first_line is not None:
        best = _count(tables, run, metric, None if search is None else search.hyperband, first_line)
    kept = None if summary is None else metric.kept(object_in(summary))
    if metric.is_reached(best) or metric.is_reached(kept):
        tables.sweeps.finish(run["sweep_id"])


def judge(tables: Tables, run: sqlite3.Row) -> bool:
    """Whether a run is to stop now because others of its sweep were better; if so, this is noted in the run."""
    search = watched(tables, run["sweep_id"])
    if search is None or search.hyperband is None or run["state"] != runs.RUNNING or run["stop_requested"]:
        return False
    rule = search.hyperband
    progress = tables.rungs.progress(run["id"])
    band = None if progress is None else rule.reached(progress["count"])
    if progress is None or band is None:
        return False
    loss = tables.rungs.loss(run["id"], band) if rule.strict else progress["best"]
    threshold = tables.rungs.ranked(run["sweep_id"], band, rule.place(tables.rungs.count(run["sweep_id"], band)))
    if loss is None or threshold is None or loss <= threshold:
        return False
    tables.runs.set(run["id"], stop_requested=1)
    return True


def watched(tables: Tables, sweep_id: int | None) -> Search | None:
    """The definition of a sweep whose runs can be stopped, or end it; None for every other."""
    definition = None if sweep_id is None else tables.sweeps.watched(sweep_id)
    return None if definition is None else read_search(definition)


def _count(
    tables: Tables, run: sqlite3.Row, metric: Metric, rule: Hyperband | None, first_line: int
) -> float | None:
    """Go on counting iterations where the last rows ended; from the start if rows were sent once more.

    Returns the best loss so far.
    """
    progress = tables.rungs.progress(run["id"])
    if progress is not None and first_line < progress["lines"]:
        tables.rungs.clear(run["id"])
        progress = None
    count: int
    best: float | None
    start, count, best = (
        (lines.FIRST, 0, None) if progress is None else (progress[key] for key in ("lines", "count", "best"))
    )
    for row in tables.lines.page(run["id"], lines.HISTORY, start, -1):
        start = row.line + 1
        loss = metric.loss(object_in(row.text))
        if loss is None:
            continue
        count += 1
        best = loss if best is None else min(best, loss)
        if rule is not None and count in rule.bands:
            tables.rungs.add(run["id"], run["sweep_id"], count, loss)
    tables.rungs.note(run["id"], lines=start, count=count, best=best)
    return best
