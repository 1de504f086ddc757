"""Agents as the API shows them, and their heartbeat. What they are told is decided in `dispatch`."""

import sqlite3
import time

from launch.server import dispatch, lifecycle
from launch.server.errors import ApiError, NotFound
from launch.server.graphql import Arguments, Node
from launch.server.request import Request
from launch.server.search import proposals
from launch.server.storage import Tables
from launch.server.wire import dumps, gid, iso, json_object, parse_row_id


def create_agent(request: Request, args: Arguments) -> Node:
    """Register an agent of a sweep.

    Raises:
        NotFound: there is no such sweep.
    """
    given = args.get("input") or {}
    tables = request.tables
    project = request.project(given.get("entityName"), given.get("projectName"))
    sweep = tables.sweeps.by_name(project["id"], str(given.get("sweep"))) if project is not None else None
    if sweep is None:
        raise NotFound(f"no sweep {given.get('entityName')}/{given.get('projectName')}/{given.get('sweep')}")
    request.must_change(sweep["project_id"])
    key = tables.agents.add(sweep["id"], str(given.get("host") or "?")[:255])
    return {"agent": {"id": gid("Agent", key), "name": gid("Agent", key)}}


def agent_heartbeat(request: Request, args: Arguments) -> Node:
    """An agent calls: it gets commands, as a JSON string.

    Raises:
        NotFound: the agent is unknown; the client takes that for a deleted sweep.
    """
    given = args.get("input") or {}
    key = parse_row_id("Agent", given.get("id"))
    if key is None:
        raise ApiError(f"not the id of an agent: {str(given.get('id'))[:80]!r}")
    run_state = json_object(given.get("runState"), "runState")
    proposal = None if any(run_state.values()) else _proposal(request, key)
    agent = request.tables.agents.with_sweep(key)
    if agent is None:
        raise NotFound(f"no agent {key}: its sweep is not on this server")
    request.must_change(agent["project_id"])
    options = request.services.options
    clock = request.services.clock
    now = clock.now()
    if clock.absences() is not None:
        lifecycle.forgive(request.tables, now, options)
    commands = dispatch.heartbeat(
        request.tables, agent, run_state, now, options, proposal, awake_since=clock.awake_since
    )
    return {"agent": {"id": given["id"]}, "commands": dumps(commands)}


def _proposal(request: Request, agent_id: int) -> proposals.Proposal | None:
    """The point to draw for an agent that is free, if one must be drawn.

    Drawing keeps only agents of the same sweep waiting, so it comes before the transaction.
    """
    if request.in_transaction:  # a second heartbeat in one operation: nobody else can draw now
        return _drawn(request, request.tables, agent_id)
    store = request.services.store
    with store.read() as tables:
        agent = tables.agents.with_sweep(agent_id)
        if agent is None or not proposals.must_draw(tables, agent):
            return None
        request.must_change(agent["project_id"], tables)
    request.hold(request.services.turns.of(agent["sweep_id"]))
    with store.read() as tables:
        return _drawn(request, tables, agent_id)


def _drawn(request: Request, tables: Tables, agent_id: int) -> proposals.Proposal | None:
    agent = tables.agents.with_sweep(agent_id)
    if agent is None or not proposals.must_draw(tables, agent):
        return None
    request.must_change(agent["project_id"], tables)
    return proposals.propose(tables, agent["sweep_id"])


def agent_node(request: Request, sweep: sqlite3.Row, row: sqlite3.Row) -> Node:
    """An agent of a sweep."""
    key = row["id"]
    silent = time.time() - row["heartbeat_at"] > request.services.options.lease_seconds

    def runs_of(args: Arguments) -> Node:
        from launch.server.resolvers import runs

        return runs.listed(request, f"runs.agent_id = {key:d}", args)

    return {
        "__typename": "Agent",
        "id": gid("Agent", key),
        "name": gid("Agent", key),
        "host": row["host"],
        "state": "FINISHED" if row["done"] else "CRASHED" if silent else "RUNNING",
        "totalRuns": row["total_runs"],
        "createdAt": iso(row["created_at"]),
        "heartbeatAt": iso(row["heartbeat_at"]),
        "runs": runs_of,
    }
