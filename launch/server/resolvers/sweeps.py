"""Sweeps as the API shows them, and what may be done to them: made, stopped, cancelled, paused, resumed."""

import sqlite3
from typing import Any

from framework.errors import DefinitionError
from launch.server import dispatch, filters, forgetting
from launch.server.arguments import JSON, LIST, PAGE, TEXT
from launch.server.errors import CONFLICT, ApiError, NotFound
from launch.server.graphql import Arguments, Field, Node
from launch.server.limits import MAX_POINTS
from launch.server.request import Request
from launch.server.resolvers import runs, sweep_points
from launch.server.resolvers.paging import connection, sliced
from launch.server.resolvers.table import (
    Given,
    Payload,
    always,
    column,
    define,
    field,
    mutation,
    of_project,
    shown,
)
from launch.server.search import best, samplers
from launch.server.search.definition import Search, read_search
from launch.server.storage import sweeps
from launch.server.wire import dumps, gid, iso, json_object, new_name, parse_row_id

GRID_RULES = ("metric", "run_cap", "early_terminate", "program", "command")
"""What stays in the definition of a grid whose points change."""


def upsert_sweep(request: Request, given: Given) -> Payload:
    """Make a sweep from a definition, or change the state, the name or, of a grid, the points of one.

    Raises:
        ApiError: the definition has problems (all of them are told).
    """
    row = _update(request, given) if given.get("id") else _make(request, given)
    warnings = [] if given.get("id") else [str(problem) for problem in _search(row["config"]).definition.warnings]
    return {
        "sweep": Node("Sweep", row),
        "configValidationWarnings": warnings,
        "inserted": not given.get("id"),
    }


def enqueue(request: Request, given: Given) -> Payload:
    """Add a run to a sweep: the next free agent gets it. A sweep that had finished goes on.

    Raises:
        NotFound: there is no such sweep.
        ApiError: the sweep was cancelled, or holds as many points as one may.
    """
    row = _find(request, given.get("id"))
    request.must_have_runs(row["project_id"])
    if row["state"] == sweeps.CANCELED:
        raise ApiError("this sweep was cancelled; it takes no more runs", CONFLICT)
    config = {name: _unwrapped(value) for name, value in json_object(given.get("config"), "config").items()}
    index = request.tables.points.drawn(row["id"])
    if index >= MAX_POINTS:
        raise ApiError(f"this sweep has {index:,} points; this server takes at most {MAX_POINTS:,}")
    name = dispatch.enqueue(request.tables, row, index, config, given.get("displayName"))
    return {"id": name, "runQueueItemId": gid("RunQueueItem", name)}


def delete(request: Request, given: Given) -> Payload:
    """Forget a sweep with its points and agents; its runs are asked to stop, and stay as runs of no sweep.

    Raises:
        NotFound: there is no such sweep.
    """
    with request.aside(writes=True) as turn:
        row = _find(turn, given.get("id"))
        dispatch.cancel(turn.tables, row["id"])
        turn.tables.sweeps.hide(row["id"])
    forgetting.sweep(request.services.store, row["id"])
    return {"success": True, "clientMutationId": None}


def _unwrapped(value: Any) -> Any:
    """A value as the client's own scheduler sends it, `{"value": 3}`, or as a person does."""
    return value["value"] if isinstance(value, dict) and value.keys() == {"value"} else value


def _state(request: Request, row: sqlite3.Row, args: Arguments) -> str:
    """The state as W&B tells it: a sweep that nobody has worked on yet is pending."""
    idle = row["state"] == sweeps.RUNNING and not request.tables.sweeps.is_touched(row["id"])
    return "PENDING" if idle else str(row["state"])


def _prior_runs(request: Request, row: sqlite3.Row, args: Arguments) -> Node:
    """The earlier runs that were named when the sweep was made. They are told, and no search learns from them."""
    if row["prior_runs"] is None:
        return connection([], total=0)
    scope = f"runs.project_id = {row['project_id']:d}"
    return runs.listed(request, scope, {**args, "filters": row["prior_runs"]})


def _make(request: Request, given: Given) -> sqlite3.Row:
    """A new sweep. Until all its points are stored it is a cancelled one, should that break off."""
    text = given.get("config")
    if not isinstance(text, str):
        raise ApiError("a sweep needs a definition in `config`, as YAML text")
    search = _search(text)
    definition = search.definition
    scheduled = definition.data.get("scheduler") is not None
    points = definition.points() if definition.is_grid and not scheduled else []
    if not definition.is_grid and not scheduled:
        samplers.warm()
    size = len(text) + (sweep_points.size_of(definition) if points else 0)
    with request.aside(writes=True) as turn:
        key = _add(turn, given, text, search, sweeps.CANCELED if points else sweeps.RUNNING, size)
    sweep_points.store(request, key, [dumps(point) for point in points], 0)
    if points:
        request.tables.sweeps.set_state(key, sweeps.RUNNING)
    return _row(request, key)


def _add(request: Request, given: Given, text: str, search: Search, state: str, size_bytes: int) -> int:
    definition, metric = search.definition, search.metric
    scheduled = definition.data.get("scheduler") is not None
    project, _ = request.made_project(given.get("entityName"), given.get("projectName"))
    request.must_have_room(project["id"], size_bytes)
    name = new_name()
    while request.tables.sweeps.by_name(project["id"], name) is not None:
        name = new_name()
    size = definition.run_cap if scheduled else definition.size()
    return request.tables.sweeps.add(
        project["id"],
        name,
        text,
        state=state,
        method=definition.method,
        program=_text(definition.data.get("program")),
        display_name=given.get("displayName") or _text(definition.data.get("name")),
        description=given.get("description"),
        metric=metric.name if metric is not None else None,
        prior_runs=_checked_filter(given.get("priorRunsFilters")),
        goal=None if metric is None else "maximize" if metric.maximize else "minimize",
        size=sweeps.NO_END if size is None else size,
        scheduled=scheduled,
        watched=search.hyperband is not None or (metric is not None and metric.target is not None),
    )


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


def _update(request: Request, given: Given) -> sqlite3.Row:
    if given.get("config") is not None:
        _redefine(request, given)
    row = _find(request, given["id"])
    state = given.get("state")
    tables = request.tables
    if state is not None:
        if state not in sweeps.STATES:
            raise ApiError(f"a sweep cannot be {state!r}; its states are {', '.join(sweeps.STATES)}")
        if state != sweeps.CANCELED:
            _must_be_whole(request, row)
        tables.sweeps.set_state(row["id"], state)
        if state == sweeps.CANCELED:
            dispatch.cancel(tables, row["id"])
    tables.sweeps.rename(row["id"], given.get("displayName"), given.get("description"))
    return _row(request, row["id"])


def _redefine(request: Request, given: Given) -> None:
    """Give a sweep another definition. Only the points of a grid may differ.

    Raises:
        ApiError: the definition has problems, or something else differs.
    """
    text = given["config"]
    if not isinstance(text, str):
        raise ApiError("a sweep needs a definition in `config`, as YAML text")
    with request.aside(writes=False) as look:
        row = _find(look, given["id"])
    search, before = _search(text), _search(row["config"])
    if _same_points(search, before):
        return
    if not (search.definition.is_grid and before.definition.is_grid) or row["scheduled"]:
        raise ApiError("the points of a sweep that exists cannot change, but those of a grid: make a new sweep")
    other = [key for key in GRID_RULES if search.definition.data.get(key) != before.definition.data.get(key)]
    if other:
        raise ApiError(f"{' and '.join(other)} of a sweep that exists cannot change: make a new sweep")
    sweep_points.replace(request, row, search.definition)
    with request.aside(writes=True) as turn:
        turn.tables.sweeps.redefine(row["id"], text)


def _must_be_whole(request: Request, row: sqlite3.Row) -> None:
    """Let pass a sweep whose points were all stored.

    Raises:
        ApiError: 409, the server ended while it was made.
    """
    stored = request.tables.points.drawn(row["id"])
    if row["method"] == "grid" and not row["scheduled"] and stored < row["size"]:
        raise ApiError(
            f"this sweep was not made to its end: {stored:,} of {row['size']:,} points are stored; make it anew",
            CONFLICT,
        )


def _same_points(one: Search, other: Search) -> bool:
    """Whether two definitions hand out the same points, and look at the same metric."""
    if one.definition.is_grid and other.definition.is_grid:
        return [dumps(point) for point in one.definition.points()] == [
            dumps(point) for point in other.definition.points()
        ]
    keys = ("method", "parameters", "metric", "run_cap", "early_terminate")
    return all(one.definition.data.get(key) == other.definition.data.get(key) for key in keys)


def _find(request: Request, global_id: object) -> sqlite3.Row:
    key = parse_row_id("Sweep", global_id)
    row = request.tables.sweeps.by_id(key) if key is not None else None
    return request.changeable(row, "there is no such sweep")


def _row(request: Request, key: int) -> sqlite3.Row:
    row = request.tables.sweeps.by_id(key)
    if row is None:
        raise NotFound("there is no such sweep")
    return row


def _runs(request: Request, row: sqlite3.Row, args: Arguments) -> Node:
    return runs.listed(request, f"runs.sweep_id = {row['id']:d}", {"first": 10_000, **args})


def _run_count(request: Request, row: sqlite3.Row, args: Arguments) -> int:
    return request.tables.runs.count(("sweep_id = ?", (row["id"],)))


def _agents(request: Request, row: sqlite3.Row, args: Arguments) -> Node:
    return sliced(list(request.tables.agents.listed(row["id"])), args, "Agent")


def _agent(request: Request, row: sqlite3.Row, args: Arguments) -> Node | None:
    found = request.tables.agents.listed(row["id"])
    return next((Node("Agent", item) for item in found if gid("Agent", item["id"]) == args.get("agentName")), None)


define(
    "Sweep",
    of_project,
    {
        "id": lambda request, row, args: gid("Sweep", row["id"]),
        "name": column("name"),
        "displayName": column("display_name"),
        "method": column("method"),
        "state": _state,
        "description": column("description"),
        "config": column("config"),
        "createdAt": lambda request, row, args: iso(row["created_at"]),
        "updatedAt": lambda request, row, args: iso(row["updated_at"]),
        "heartbeatAt": lambda request, row, args: iso(row["updated_at"]),
        "project": lambda request, row, args: shown("Project", request.project_of(row["project_id"])),
        "bestLoss": lambda request, row, args: best.best_of(request.tables, row),
        "runCount": _run_count,
        "runCountExpected": lambda request, row, args: None if row["size"] == sweeps.NO_END else row["size"],
        "earlyStopJobRunning": always(False),
        "controller": always(None),
        "scheduler": always(None),
        "controllerRunName": lambda request, row, args: f"scheduler-{row['name']}" if row["scheduled"] else None,
        "runs": field(_runs, LIST),
        "priorRuns": field(_prior_runs, LIST),
        "agent": field(_agent, agentName=TEXT),
        "agents": field(_agents, PAGE),
    },
)
MUTATIONS: dict[str, Field] = {
    "upsertSweep": mutation(
        upsert_sweep,
        dict.fromkeys(("id", "entityName", "projectName", "state", "displayName", "description"), TEXT),
        config=JSON, priorRunsFilters=JSON, alone=True,
    ),
    "deleteSweep": mutation(delete, id=TEXT, alone=True),
    "enqueueSweepRun": mutation(enqueue, id=TEXT, config=JSON, displayName=TEXT),
}  # fmt: skip
