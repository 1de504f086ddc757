"""The next point of a sweep that draws its points, made before anybody is kept waiting.

A Bayesian suggestion takes longer than a claim may hold the database. So it is computed from a snapshot, and
claimed afterwards in a short transaction; meanwhile the other agents of the same sweep wait for their turn, or
they would get the same point. This module does not hand points out: `dispatch` does.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from launch.server.search import best
from launch.server.search.definition import read_search
from launch.server.search.metric import Metric
from launch.server.search.samplers import Trial, draw, seed_of
from launch.server.storage import Tables, points, sweeps
from launch.server.storage.runs import FINISHED
from launch.server.threads import elsewhere
from launch.server.wire import dumps

MANY = 50
"""From so many trials on a draw takes tens of milliseconds of the processor: it is done in another process."""


@dataclass(frozen=True)
class Proposal:
    """A point that was drawn and is not stored yet: its number, its parameters and its coordinates, as JSON."""

    index: int
    args: str
    coordinates: str


def must_draw(tables: Tables, agent: sqlite3.Row) -> bool:
    """Whether the sweep of an agent (see `Agents.with_sweep`) has to draw a point if it is to get one."""
    if agent["method"] == "grid" or agent["scheduled"] or agent["state"] != sweeps.RUNNING:
        return False
    key = agent["sweep_id"]
    full = agent["size"] != sweeps.NO_END and tables.points.drawn(key) >= agent["size"]
    return not full and tables.points.next_pending(key) is None


def propose(tables: Tables, sweep_id: int) -> Proposal | None:
    """Draw the next point of a sweep, from what the database holds; None for a sweep that is gone or a grid."""
    sweep = tables.sweeps.by_id(sweep_id)
    search = None if sweep is None else read_search(sweep["config"])
    if sweep is None or search is None or search.space is None:
        return None
    index = tables.points.drawn(sweep_id)
    known = tables.points.trials(sweep_id) if sweep["method"] == "bayes" else []
    trials = [_trial(tables, search.metric, row) for row in known]
    given = (sweep["config"], seed_of(sweep["name"], index), trials)
    coordinates = elsewhere(_drawn, *given) if len(trials) >= MANY else _drawn(*given)
    return Proposal(index, dumps(search.space.point(coordinates)), dumps(coordinates))


def _drawn(text: str, seed: int, trials: Sequence[Trial]) -> list[float]:
    """The coordinates that the definition `text` gives; it travels to another process, which a space cannot."""
    search = read_search(text)
    if search.space is None:
        raise ValueError("a grid draws no points")
    return draw(search.definition.method, search.space, seed, trials)


def _trial(tables: Tables, metric: Metric | None, row: sqlite3.Row) -> Trial:
    coordinates = json.loads(row["coordinates"])
    if row["state"] != points.ENDED:
        return Trial(coordinates, "open")
    if metric is None or row["run_state"] != FINISHED:
        return Trial(coordinates, "ended")
    return Trial(coordinates, "ended", best.loss(tables, metric, row))
