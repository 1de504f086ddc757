"""Runs as the API shows them: lists by filter and order, and one run with everything that hangs on it."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from launch.server import filters, lifecycle, orders
from launch.server.arguments import PAGE, TEXT, TEXTS
from launch.server.graphql import Arguments, Field, Node, Resolver
from launch.server.request import Request
from launch.server.resolvers import uploads
from launch.server.resolvers.history import STREAMS
from launch.server.resolvers.paging import connection, sliced, window
from launch.server.resolvers.table import always, column, define, field, of_project, shown
from launch.server.search import best
from launch.server.storage import runs
from launch.server.wire import dumps, gid, iso


def select(request: Request, scope: str, args: Arguments) -> tuple[Sequence[sqlite3.Row], int, bool]:
    """The page of runs that a filter, an order and a cursor ask for, its offset, and whether more follow.

    `scope` is SQL made by this package. A filter or an order that needs configs or summaries reads all runs of
    the scope, for the first page; any other one only its page.
    """
    query = filters.compile_filter(args.get("filters"))
    offset, limit = window(args)
    order = orders.sql(args.get("order"))
    if query.rest is None and order is not None:
        where = (f"{scope} AND {query.condition}", query.values)
        rows = request.tables.runs.listed(where, order, offset, limit + 1)
        return rows[:limit], offset, len(rows) > limit
    keys = _matching(request, scope, query, args, goes_on=offset > 0)
    return request.tables.runs.by_ids(keys[offset : offset + limit]), offset, len(keys) > offset + limit


def listed(request: Request, scope: str, args: Arguments) -> Node:
    """A page of runs."""
    rows, offset, more = select(request, scope, args)
    request.together(row["id"] for row in rows)
    return connection([Node("Run", row) for row in rows], offset, more=more)


def count(request: Request, scope: str, args: Arguments) -> int:
    """The number of runs that a filter accepts."""
    query = filters.compile_filter(args.get("filters"))
    if query.rest is None:
        return request.tables.runs.count((f"{scope} AND {query.condition}", query.values))
    return len(_matching(request, scope, query, {"filters": args.get("filters")}, goes_on=False))


def _matching(
    request: Request, scope: str, query: filters.Query, args: Arguments, *, goes_on: bool
) -> Sequence[int]:
    """The ids of all runs that a filter accepts, in order. `goes_on`: this is not the first page."""
    tables, selections = request.tables, request.services.selections
    key = (scope, str(args.get("filters")), str(args.get("order")))
    version = request.version
    known = selections.get(key, version, goes_on=goes_on) if version is not None else None
    if known is not None:
        return known
    order = orders.sql(args.get("order"))
    found = tables.runs.listed((f"{scope} AND {query.condition}", query.values), order or "runs.id ASC")
    rows = [row for row in found if query.accepts(row)]
    if order is None:
        rows = orders.sort_rows(rows, args.get("order"), best.by_metric(tables, rows, args.get("order")))
    keys = [row["id"] for row in rows]
    if version is not None:
        selections.keep(key, version, keys)
    return keys


def _wandb_config(request: Request, row: sqlite3.Row, args: Arguments) -> str | None:
    """The client's own part of the config; it is there only if a process really started the run."""
    own: Any = json.loads(row["config"]).get("_wandb")
    values = own.get("value") if isinstance(own, dict) else None
    if not isinstance(values, dict):
        return None
    wanted = args.get("keys")
    return dumps({key: value for key, value in values.items() if not wanted or key in wanted})


def _seconds(request: Request, row: sqlite3.Row, args: Arguments) -> int:
    return max(0, int(row["heartbeat_at"] - row["created_at"]))


def _waits(row: sqlite3.Row) -> bool:
    """Whether a run was added to a sweep and no agent was told of it: nobody gave a sign of life."""
    return row["state"] == runs.PENDING and row["agent_id"] is None and not row["started"]


def _artifacts(role: str) -> Field:
    """The versions that a run made or used, as far as the caller sees them."""

    def listed(request: Request, row: sqlite3.Row, args: Arguments) -> Node:
        found = request.tables.artifacts.of_run(row["id"], role)
        return sliced([item for item in found if request.sees_version(item)], args, "Artifact")

    return field(listed, PAGE)


COLUMNS: dict[str, Resolver | Field] = {
    "id": lambda request, row, args: gid("Run", row["id"]),
    "internalId": lambda request, row, args: gid("RunInternalId", row["id"]),
    "name": column("name"),
    "displayName": column("display_name"),
    "description": column("description"),
    "notes": column("notes"),
    "tags": lambda request, row, args: json.loads(row["tags"]),
    "group": column("group_name"),
    "groupName": column("group_name"),
    "jobType": column("job_type"),
    "commit": column("commit_hash"),
    "host": column("host"),
    "program": column("program"),
    "config": column("config"),
    "wandbConfig": field(_wandb_config, keys=TEXTS),
    "summaryMetrics": column("summary"),
    "systemMetrics": column("system_metrics"),
    "createdAt": lambda request, row, args: iso(row["created_at"]),
    "heartbeatAt": lambda request, row, args: None if _waits(row) else iso(row["heartbeat_at"]),
    "updatedAt": lambda request, row, args: iso(row["heartbeat_at"]),
    "computeSeconds": _seconds,
}
"""What is stored with a run and told as it is."""
STATE: dict[str, Resolver | Field] = {
    "state": column("state"),
    "exitcode": column("exit_code"),
    "stopped": lambda request, row, args: lifecycle.should_stop(request.tables, row),
    "shouldStop": lambda request, row, args: bool(row["stop_requested"]),
    "failed": lambda request, row, args: row["state"] in (runs.FAILED, runs.CRASHED),
    "running": lambda request, row, args: row["state"] == runs.RUNNING,
    "readOnly": always(False),
}
"""How a run is doing, and how it ended."""
PLACE: dict[str, Resolver | Field] = {
    "user": lambda request, row, args: Node("User", row["entity_name"]),
    "entity": lambda request, row, args: Node("Entity", row["entity_name"]),
    "projectId": lambda request, row, args: str(row["project_id"]),
    "project": lambda request, row, args: shown("Project", request.project_of(row["project_id"])),
    "sweepName": column("sweep_name"),
}
"""Where a run stands: user, project, sweep."""
BELONGINGS: dict[str, Resolver | Field] = {
    "files": field(uploads.listed, PAGE, names=TEXTS, pattern=TEXT),
    "fileCount": lambda request, row, args: request.tables.files.count(row["id"]),
    "outputArtifacts": _artifacts("made"),
    "inputArtifacts": _artifacts("used"),
}
"""The files and artifacts of a run."""
define("Run", of_project, {**COLUMNS, **STATE, **PLACE, **STREAMS, **BELONGINGS})
