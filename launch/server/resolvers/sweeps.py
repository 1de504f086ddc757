"""Sweeps as the API shows them, and what may be done to them: made, stopped, cancelled, paused, resumed."""

import sqlite3
from collections.abc import Mapping
from typing import Any

from framework.errors import DefinitionError
from launch.server import dispatch, filters
from launch.server.errors import ApiError, NotFound
from launch.server.graphql import Arguments, Node
from launch.server.limits import MAX_POINTS
from launch.server.request import Request
from launch.server.resolvers import projects, runs
from launch.server.resolvers.agents import agent_node
from launch.server.resolvers.paging import connection, sliced
from launch.server.search import best, samplers
from launch.server.search.definition import Search, read_search
from launch.server.storage import sweeps
from launch.server.wire import dumps, gid, iso, json_object, new_name, parse_row_id


def upsert_sweep(request: Request, args: Arguments) -> Node:
    """Make a sweep from a definition, or change the state or the name of one.

    Raises:
        ApiError: the definition has problems (all of them are told).
    """
    given = args.get("input") or {}
    row = _update(request, given) if given.get("id") else _make(request, given)
    project = request.tables.projects.by_id(row["project_id"])
    if project is None:
        raise NotFound("the project of this sweep is gone")
    node = sweep_node(request, row, project)
    warnings = [] if given.get("id") else [str(problem) for problem in _search(row["config"]).definition.warnings]
    return {"sweep": node, "configValidationWarnings": warnings, "inserted": not given.get("id")}


def sweep_node(request: Request, row: sqlite3.Row, project: sqlite3.Row) -> Node:
    """A sweep."""
    key = row["id"]
    tables = request.tables
    scope = f"runs.sweep_id = {key:d}"

    def agent(args: Arguments) -> Node | None:
        wanted = args.get("agentName")
        found = (agent_node(request, row, item) for item in tables.agents.listed(key))
        return next((node for node in found if wanted in (node["id"], node["name"])), None)

    return {
        "__typename": "Sweep",
        "id": gid("Sweep", key),
        "name": row["name"],
        "displayName": row["display_name"],
        "method": row["method"],
        "state": lambda args: _state(request, row),
        "description": row["description"],
        "config": row["config"],
        "createdAt": iso(row["created_at"]),
        "updatedAt": iso(row["updated_at"]),
        "heartbeatAt": iso(row["updated_at"]),
        "project": lambda args: projects.project_info(project),
        "bestLoss": lambda args: best.best_of(tables, row),
        "runCount": lambda args: tables.runs.count(("sweep_id = ?", (key,))),
        "runCountExpected": None if row["size"] == sweeps.NO_END else row["size"],
        "earlyStopJobRunning": False,
        "controller": None,
        "scheduler": None,
        "controllerRunName": None,
        "runs": lambda args: runs.listed(request, scope, {"first": 10_000, **args}),
        "priorRuns": lambda args: _prior_runs(request, row, args),
        "agent": agent,
        "agents": lambda args: sliced(
            list(tables.agents.listed(key)), args, lambda item: agent_node(request, row, item)
        ),
    }


def _state(request: Request, row: sqlite3.Row) -> str:
    """The state as W&B tells it: a sweep that nobody has worked on yet is pending."""
    idle = row["state"] == sweeps.RUNNING and not request.tables.sweeps.is_touched(row["id"])
    return "PENDING" if idle else str(row["state"])


def _prior_runs(request: Request, row: sqlite3.Row, args: Arguments) -> Node:
    """The earlier runs that were named when the sweep was made. They are told, and no search learns from them."""
    if row["prior_runs"] is None:
        return connection([], 0, more=False, total=0)
    scope = f"runs.project_id = {row['project_id']:d}"
    return runs.listed(request, scope, {**args, "filters": row["prior_runs"]})


def _make(request: Request, given: Mapping[str, Any]) -> sqlite3.Row:
    text = given.get("config")
    if not isinstance(text, str):
        raise ApiError("a sweep needs a definition in `config`, as YAML text")
    search = _search(text)
    definition, metric = search.definition, search.metric
    points = definition.points() if definition.is_grid else []
    if not definition.is_grid:
        samplers.warm()
    tables = request.tables
    project, _ = request.made_project(given.get("entityName"), given.get("projectName"))
    name = new_name()
    while tables.sweeps.by_name(project["id"], name) is not None:
        name = new_name()
    size = definition.size()
    key = tables.sweeps.add(
        project["id"],
        name,
        text,
        method=definition.method,
        program=_text(definition.data.get("program")),
        display_name=given.get("displayName") or _text(definition.data.get("name")),
        description=given.get("description"),
        metric=metric.name if metric is not None else None,
        prior_runs=_checked_filter(given.get("priorRunsFilters")),
        goal=None if metric is None else "maximize" if metric.maximize else "minimize",
        size=sweeps.NO_END if size is None else size,
        watched=search.hyperband is not None or (metric is not None and metric.target is not None),
    )
    tables.points.add(key, (dumps(point) for point in points))
    return _row(request, key)


def _text(value: object) -> str | None:
    """A scalar of a YAML file as text: `name: 2024` is a number there."""
    return None if value is None else str(value)


def _checked_filter(given: object) -> str | None:
    """A filter of runs as it is stored, once it is known to be one."""
    if given is None:
        return None
    filters.compile_filter(given)
    return dumps(json_object(given, "priorRunsFilters"))


def _search(text: str) -> Search:
    try:
        search = read_search(text)
    except DefinitionError as error:
        raise ApiError(str(error)) from error
    size = search.definition.size()
    if size is not None and size > MAX_POINTS:
        raise ApiError(f"this sweep has {size:,} points; this server takes at most {MAX_POINTS:,}")
    return search


def _update(request: Request, given: Mapping[str, Any]) -> sqlite3.Row:
    key = parse_row_id("Sweep", given["id"])
    row = _row(request, key if key is not None else -1)
    request.must_change(row["project_id"])
    config = given.get("config")
    if config is not None and not _same_points(_search(config), _search(row["config"])):
        raise ApiError("the points of a sweep that exists cannot change: make a new sweep")
    state = given.get("state")
    tables = request.tables
    if state is not None:
        if state not in sweeps.STATES:
            raise ApiError(f"a sweep cannot be {state!r}; its states are {', '.join(sweeps.STATES)}")
        tables.sweeps.set_state(row["id"], state)
        if state == sweeps.CANCELED:
            dispatch.cancel(tables, row["id"])
    tables.sweeps.rename(row["id"], given.get("displayName"), given.get("description"))
    return _row(request, row["id"])


def _same_points(one: Search, other: Search) -> bool:
    """Whether two definitions hand out the same points, and look at the same metric."""
    if one.definition.is_grid and other.definition.is_grid:
        return [dumps(point) for point in one.definition.points()] == [
            dumps(point) for point in other.definition.points()
        ]
    keys = ("method", "parameters", "metric", "run_cap", "early_terminate")
    return all(one.definition.data.get(key) == other.definition.data.get(key) for key in keys)


def _row(request: Request, key: int) -> sqlite3.Row:
    row = request.tables.sweeps.by_id(key)
    if row is None:
        raise NotFound("there is no such sweep")
    return row
