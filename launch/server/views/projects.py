"""A project's sweeps: how far each is, and the best value so far of its metric, averaged over replicates."""

from collections.abc import Mapping
from statistics import mean, stdev
from typing import Any

from framework.importance import names_a_seed
from launch.server.errors import NotFound
from launch.server.request import Request
from launch.server.search.metric import KEPT, Metric
from launch.server.storage.runs import FINISHED
from launch.server.views.columns import Scalar
from launch.server.views.kept import FACTS, Table
from launch.server.views.sweep import scope_of

MOST_SWEEPS = 50


def losses_of(table: Table, metric: Metric) -> list[float | None]:
    """The last value of a metric in each run, or the best that its summary keeps, as a loss (lower is better)."""
    values = table.summaries.values
    last = values.get(metric.name)
    kept = {key: values[f"{metric.name}.{key}"] for key in KEPT if f"{metric.name}.{key}" in values}
    found = []
    for place in range(table.count):
        value: Any = None if last is None else last[place]
        told = value if value is not None else {key: column[place] for key, column in kept.items()}
        found.append(metric.kept({metric.name: told}))
    return found


def best(request: Request, parts: Mapping[str, str]) -> dict[str, Any] | None:
    """The best mean of a sweep's metric (its last value) over finished replicates, and what those have in common.

    None for a sweep without a metric, or without a number of it.
    """
    scope = scope_of(request, parts)
    metric = scope.measured
    if metric is None:
        return None
    with request.services.kept.table(request.tables.runs, scope.column, scope.key) as table:
        varying = table.configs.apart()[0] if table.count else {}
        factors = {path: levels for path, levels in varying.items() if not names_a_seed(path)}
        groups: dict[tuple[Scalar, ...], list[float]] = {}
        states = table.facts[FACTS.index("state")]
        for index, loss in enumerate(losses_of(table, metric)):
            if loss is not None and states[index] == FINISHED:
                groups.setdefault(tuple(levels[index] for levels in factors.values()), []).append(loss)
    if not groups:
        return None
    found = min(groups, key=lambda levels: mean(groups[levels]))
    values = [-loss if metric.maximize else loss for loss in groups[found]]
    return {
        "metric": metric.name,
        "mean": mean(values),
        "std": stdev(values) if len(values) > 1 else None,
        "n": len(values),
        "of": len(groups),
        "factors": {path: level for path, level in zip(factors, found, strict=True) if level is not None},
    }


def changes(request: Request, parts: Mapping[str, str], seen: Any) -> tuple[Any, Any]:
    """Of the newest sweeps of a project those that are not where they were; how many runs there are."""
    project = request.project(parts["entity"], parts["project"])
    if project is None:
        raise NotFound(f"no project {parts['entity']}/{parts['project']}")
    tables = request.tables
    now = {
        row["name"]: [row["state"], *tables.points.counts(row["id"]).values()]
        for row in tables.sweeps.listed(project["id"], 0, MOST_SWEEPS)
    }
    total = tables.runs.count(("project_id = ?", (project["id"],)))
    before, before_total = seen or ({}, None)
    moved = {name: item for name, item in now.items() if before.get(name) != item}
    if not moved and total == before_total:
        return None, seen
    return {"sweeps": moved, "runs": total}, (now, total)
