"""The runs of a sweep, or of a project, as a table: all at once column by column, then what changes."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from framework.definition import read
from framework.errors import DefinitionError
from launch.server.errors import NotFound
from launch.server.request import Request
from launch.server.search.best import metric_of
from launch.server.search.metric import Metric
from launch.server.views.columns import Scalar, config_of, first_of, summary_of, told
from launch.server.views.kept import Table

MOST_COLUMNS = 120
"""Columns of each kind, configs and summaries, that are sent."""
BUDGET, MOST_CHANGED = 14_000, 1_000
"""Bytes of rows in one event, and how many changed runs are told one by one: of more, the table is asked for."""


@dataclass(frozen=True)
class Scope:
    """Which runs: those of a sweep, or all of a project."""

    column: str
    key: int
    sweep: sqlite3.Row | None = None
    asked: Metric | None = None

    @property
    def measured(self) -> Metric | None:
        """What runs are compared by: the metric that the reader asks for, or that of the sweep's definition."""
        return self.asked or (None if self.sweep is None else metric_of(self.sweep))

    @property
    def metric(self) -> dict[str, str] | None:
        """The name and the goal of what is `measured`."""
        found = self.measured
        return None if found is None else {"name": found.name, "goal": "max" if found.maximize else "min"}


@dataclass
class Seen:
    """What one stream has told: up to which revision, of which runs the config (its hash), the progress."""

    revision: int
    configs: dict[int, int] = field(default_factory=dict)
    rest: tuple[Any, ...] = ()


def scope_of(request: Request, parts: Mapping[str, str]) -> Scope:
    """The runs behind an address; `?metric=acc&goal=max` asks for another metric than the sweep's own.

    Raises:
        NotFound: there is no such project or sweep that the reader may see.
    """
    project = request.project(parts["entity"], parts["project"])
    if project is None:
        raise NotFound(f"no project {parts['entity']}/{parts['project']}")
    asked = Metric(parts["metric"], parts.get("goal") == "max") if parts.get("metric") else None
    if "sweep" not in parts:
        return Scope("project_id", project["id"], asked=asked)
    row = request.tables.sweeps.by_name(project["id"], parts["sweep"])
    if row is None:
        raise NotFound(f"no sweep {parts['sweep']} in {project['name']}")
    return Scope("sweep_id", row["id"], row, asked)


def runs(request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """Every run: names, states, and a column for each value of a config that varies and of a summary."""
    scope = scope_of(request, parts)
    with request.services.kept.table(request.tables.runs, scope.column, scope.key) as table:
        return _told(request, scope, table)


def changes(request: Request, parts: Mapping[str, str], seen: Any) -> tuple[Any, Any]:
    """What has changed since the event before, or since the table with the mark `since`: runs, progress."""
    scope = scope_of(request, parts)
    runs_table = request.tables.runs
    if seen is None:
        since = parts.get("since", "")
        known = since.isascii() and since.isdigit() and len(since) < 16
        seen = Seen(int(since) if known else runs_table.last_revision(scope.column, scope.key))
    rows = runs_table.changed(scope.column, scope.key, seen.revision, MOST_CHANGED + 1)
    if len(rows) > MOST_CHANGED:
        return {"stale": True}, Seen(runs_table.last_revision(scope.column, scope.key))
    rest = (progress(request, scope), runs_table.count((f"{scope.column} = ?", (scope.key,))))
    if not rows and rest == seen.rest:
        return None, seen
    event = _event(rows, seen)
    if scope.metric is not None and event["runs"]:
        name = scope.metric["name"]
        ids = [row["id"] for row in rows[: len(event["runs"])]]
        event["extremes"] = [request.tables.lines.extremes(name, "id", run).get(run) for run in ids]
    seen.rest = rest
    more = len(event["runs"]) < len(rows)
    return {**event, "mark": seen.revision, "more": more, "progress": rest[0], "count": rest[1]}, seen


def progress(request: Request, scope: Scope) -> dict[str, Any] | None:
    """How far a sweep is."""
    if scope.sweep is None:
        return None
    counts, size = request.tables.points.counts(scope.key), scope.sweep["size"]
    since = request.services.clock.now() - request.services.options.lease_seconds
    return {
        "state": scope.sweep["state"],
        "method": scope.sweep["method"],
        "size": None if size < 0 else size,
        **counts,
        "agents": request.tables.agents.active(scope.key, since),
        "failed": request.tables.points.failed_count(scope.key),
    }


def axes_of(text: str) -> list[str]:
    """The parameters of a definition that vary; all of them if none does."""
    try:
        parameters = read(text).parameters
    except DefinitionError:  # written by a version that read more than this one does
        return []
    varying = [
        name for name, spec in parameters.items() if "value" not in spec and len(spec.get("values", "··")) > 1
    ]
    return varying or list(parameters)


def _event(rows: Sequence[sqlite3.Row], seen: Seen) -> dict[str, Any]:
    """Rows of runs, as many as fit; `seen` is as far as they go."""
    told_rows: list[list[Any]] = []
    paths: dict[str, int] = {}
    size = 0
    for row in rows:
        summary, seconds = summary_of(row["summary"])
        text = row["config"]
        known = seen.configs.get(row["id"]) == hash(text)
        config = None if known else config_of(text)
        places = [paths.setdefault(path, len(paths)) for path in summary]
        values: list[Scalar] = [None] * (1 + max(places, default=-1))
        for place, value in zip(places, summary.values(), strict=True):
            values[place] = value
        line = [row["name"], row["display_name"], row["created_at"], row["state"], seconds, config, values]
        size += len(orjson.dumps(line)) + 1
        if told_rows and size > BUDGET:
            break
        told_rows.append(line)
        seen.configs[row["id"]] = hash(text)
        seen.revision = row["revision"]
    return {"paths": list(paths), "runs": told_rows}


def _told(request: Request, scope: Scope, table: Table) -> dict[str, Any]:
    names, labels, created, states, *marks = table.facts
    metric = scope.metric
    low_high = request.tables.lines.extremes(metric["name"], scope.column, scope.key) if metric else {}
    results = table.summaries.values
    varying, same = table.configs.apart() if table.count else ({}, {})
    axes = [] if scope.sweep is None else axes_of(scope.sweep["config"])
    shown = first_of(varying, MOST_COLUMNS, _under(axes, varying))
    told_results = first_of(results, MOST_COLUMNS, [metric["name"]] if metric else [])
    return {
        "mark": table.revision,
        "metric": metric,
        "name": list(names),
        "label": list(labels),
        "created": [round(moment, 3) for moment in created],
        "columns": [
            told("state", "run", states),
            told("runtime", "run", table.seconds),
            *_marks(*marks),
            *(table.configs.sent(path, "config") for path in shown),
            *(table.summaries.sent(path, "summary") for path in told_results),
            *_extremes(table, metric["name"] if metric else "", low_high),
        ],
        "same": dict(list(same.items())[:MOST_COLUMNS]),
        "left_out": len(varying) - len(shown) + len(results) - len(told_results),
        "progress": progress(request, scope),
    }


def _extremes(table: Table, metric: str, found: Mapping[int, tuple[float, float]]) -> list[dict[str, Any]]:
    """The smallest and the largest value of the sweep's metric that each run has logged."""
    if not found:
        return []
    both = [found.get(run, (None, None)) for run in table.places]
    names = (f"min of {metric}", f"max of {metric}")
    return [told(name, "history", values) for name, values in zip(names, zip(*both, strict=True), strict=True)]


def _marks(tags: Sequence[str], groups: Sequence[Scalar], kinds: Sequence[Scalar]) -> list[dict[str, Any]]:
    """Tags, groups and kinds of job, where runs have any."""
    words = [None if text == "[]" else ", ".join(orjson.loads(text)) for text in tags]
    found = {"tags": words, "group": groups, "job_type": kinds}
    return [told(path, "run", values) for path, values in found.items() if any(values)]


def _under(axes: list[str], paths: Mapping[str, Any]) -> list[str]:
    """The paths at or below a definition's parameters, in their order."""
    return [path for axis in axes for path in paths if path == axis or path.startswith(f"{axis}.")]
