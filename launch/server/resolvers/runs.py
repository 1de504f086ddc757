"""Runs as the API shows them: lists by filter and order, and one run with everything that hangs on it."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from launch.server import filters, lifecycle, orders
from launch.server.graphql import Arguments, Node
from launch.server.request import Request
from launch.server.resolvers import history, uploads
from launch.server.resolvers.paging import connection, window
from launch.server.resolvers.viewer import user_node
from launch.server.search import best
from launch.server.storage import lines, runs
from launch.server.wire import dumps, gid, iso


def by_name(request: Request, project: sqlite3.Row, args: Arguments) -> Node | None:
    """The run of a project with this name."""
    row = request.tables.runs.by_name(project["id"], str(args.get("name")))
    return None if row is None else run_node(request, row)


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
    facts = history.Facts(request.tables.lines, [row["id"] for row in rows])
    return connection([run_node(request, row, facts) for row in rows], offset, more=more)


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


def run_node(request: Request, row: sqlite3.Row, facts: history.Facts | None = None) -> Node:
    """A run. What costs a query is a function, called only when it is selected.

    `facts`: what is known of the histories of a whole page of runs, so that each does not cost queries of its own.
    """
    known = facts or history.Facts(request.tables.lines, [row["id"]])
    return {
        "__typename": "Run",
        "id": gid("Run", row["id"]),
        "internalId": gid("RunInternalId", row["id"]),
        **_columns(row),
        **_state(request, row),
        **_place(row),
        **_streams(request, row["id"], known),
        **_belongings(request, row),
    }


def _columns(row: sqlite3.Row) -> Node:
    """What is stored with a run and told as it is."""
    return {
        "name": row["name"],
        "displayName": row["display_name"],
        "description": row["description"],
        "notes": row["notes"],
        "tags": lambda args: json.loads(row["tags"]),
        "group": row["group_name"],
        "groupName": row["group_name"],
        "jobType": row["job_type"],
        "commit": row["commit_hash"],
        "host": row["host"],
        "program": row["program"],
        "config": row["config"],
        "wandbConfig": lambda args: _wandb_config(row, args),
        "summaryMetrics": row["summary"],
        "systemMetrics": row["system_metrics"],
        "createdAt": iso(row["created_at"]),
        "heartbeatAt": iso(row["heartbeat_at"]),
        "updatedAt": iso(row["heartbeat_at"]),
        "computeSeconds": max(0, int(row["heartbeat_at"] - row["created_at"])),
    }


def _state(request: Request, row: sqlite3.Row) -> Node:
    """How a run is doing, and how it ended."""
    return {
        "state": row["state"],
        "exitcode": row["exit_code"],
        "stopped": lambda args: lifecycle.should_stop(request.tables, row),
        "shouldStop": bool(row["stop_requested"]),
        "failed": row["state"] in (runs.FAILED, runs.CRASHED),
        "running": row["state"] == runs.RUNNING,
        "readOnly": False,
    }


def _place(row: sqlite3.Row) -> Node:
    """Where a run stands: user, project, sweep."""
    from launch.server.resolvers import projects

    name = row["entity_name"]
    return {
        "user": lambda args: user_node(name),
        "entity": {"name": name},
        "projectId": str(row["project_id"]),
        "project": lambda args: projects.project_reference(row["project_id"], row["project_name"], name),
        "sweepName": row["sweep_name"],
    }


def _streams(request: Request, key: int, known: history.Facts) -> Node:
    """The lines of a run."""
    stream = request.tables.lines
    return {
        "historyLineCount": lambda args: known.count(key),
        "eventsLineCount": lambda args: stream.count(key, lines.EVENTS),
        "logLineCount": lambda args: stream.count(key, lines.CONSOLE),
        "historyTail": lambda args: _tail(stream, key, lines.HISTORY),
        "eventsTail": lambda args: _tail(stream, key, lines.EVENTS),
        "historyKeys": lambda args: known.keys(key),
        "history": lambda args: history.rows(stream, key, args),
        "events": lambda args: history.events(stream, key, args),
        "sampledHistory": lambda args: history.sampled(stream, key, args),
        "parquetHistory": lambda args: history.parquet(stream, key, args),
        "logLines": lambda args: history.console(stream, key, args),
    }


def _belongings(request: Request, row: sqlite3.Row) -> Node:
    """The files and artifacts of a run."""
    from launch.server.resolvers import artifact_queries

    key = row["id"]
    return {
        "files": lambda args: uploads.listed(request, row, args),
        "fileCount": lambda args: request.tables.files.count(key),
        "outputArtifacts": lambda args: artifact_queries.of_run(request, key, "made", args),
        "inputArtifacts": lambda args: artifact_queries.of_run(request, key, "used", args),
    }


def _tail(stream: lines.Lines, key: int, name: str) -> str:
    return dumps([row["text"] for row in stream.tail(key, name, 1)])


def _wandb_config(row: sqlite3.Row, args: Arguments) -> str | None:
    """The client's own part of the config; it is there only if a process really started the run."""
    own: Any = json.loads(row["config"]).get("_wandb")
    values = own.get("value") if isinstance(own, dict) else None
    if not isinstance(values, dict):
        return None
    wanted = args.get("keys")
    return dumps({key: value for key, value in values.items() if not wanted or key in wanted})
