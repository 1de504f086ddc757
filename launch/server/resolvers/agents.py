"""Agents as the API shows them, and their heartbeat. What they are told is decided in `dispatch`."""

import sqlite3
import time

from launch.server import dispatch, lifecycle
from launch.server.arguments import JSON, LIST, TEXT
from launch.server.errors import ApiError
from launch.server.graphql import Arguments, Field, Node
from launch.server.limits import AHEAD_SECONDS
from launch.server.request import Request
from launch.server.resolvers import runs
from launch.server.resolvers.table import Given, Payload, column, define, field, mutation, of_project
from launch.server.search import proposals
from launch.server.storage import sweeps
from launch.server.wire import dumps, gid, iso, json_object, parse_row_id


def create_agent(request: Request, given: Given) -> Payload:
    """Register an agent of a sweep.

    Raises:
        NotFound: there is no such sweep.
    """
    tables = request.tables
    project = request.project(given.get("entityName"), given.get("projectName"))
    sweep = tables.sweeps.by_name(project["id"], str(given.get("sweep"))) if project is not None else None
    address = f"{given.get('entityName')}/{given.get('projectName')}/{given.get('sweep')}"
    sweep = request.changeable(sweep, f"no sweep {address}")
    key = tables.agents.add(sweep["id"], str(given.get("host") or "?")[:255])
    return {"agent": {"id": gid("Agent", key), "name": gid("Agent", key)}}


def agent_heartbeat(request: Request, given: Given) -> Payload:
    """An agent calls: it gets commands, as a JSON string.

    Raises:
        NotFound: the agent is unknown; the client takes that for a deleted sweep.
    """
    key = parse_row_id("Agent", given.get("id"))
    if key is None:
        raise ApiError(f"not the id of an agent: {str(given.get('id'))[:80]!r}")
    run_state = json_object(given.get("runState"), "runState")
    proposal = None if any(run_state.values()) else _proposal(request, key)
    agent = request.changeable(request.tables.agents.with_sweep(key), _gone(key))
    if agent["state"] == sweeps.RUNNING and not any(run_state.values()):
        request.must_have_runs(agent["project_id"])
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
    with request.aside(writes=False) as look:
        agent = _drawing(look, agent_id)
    if agent is None:
        return None
    request.hold(request.services.draws.of(agent["sweep_id"]))
    with request.aside(writes=False) as look:
        return _drawn(look, agent_id)


def _drawn(request: Request, agent_id: int) -> proposals.Proposal | None:
    agent = _drawing(request, agent_id)
    return None if agent is None else proposals.propose(request.tables, agent["sweep_id"])


def _drawing(request: Request, agent_id: int) -> sqlite3.Row | None:
    """The agent, if a point must be drawn for it."""
    agent = request.tables.agents.with_sweep(agent_id)
    if agent is None or not proposals.must_draw(request.tables, agent):
        return None
    return request.changeable(agent, _gone(agent_id))


def _gone(agent_id: int) -> str:
    return f"no agent {agent_id}: its sweep is not on this server"


def _id(request: Request, row: sqlite3.Row, args: Arguments) -> str:
    return gid("Agent", row["id"])


def _state(request: Request, row: sqlite3.Row, args: Arguments) -> str:
    ago = time.time() - row["heartbeat_at"]
    silent = not -AHEAD_SECONDS <= ago <= request.services.options.lease_seconds
    return "FINISHED" if row["done"] else "CRASHED" if silent else "RUNNING"


def _runs(request: Request, row: sqlite3.Row, args: Arguments) -> Node:
    return runs.listed(request, f"runs.agent_id = {row['id']:d}", args)


define(
    "Agent",
    of_project,
    {
        "id": _id,
        "name": _id,
        "host": column("host"),
        "state": _state,
        "totalRuns": column("total_runs"),
        "createdAt": lambda request, row, args: iso(row["created_at"]),
        "heartbeatAt": lambda request, row, args: iso(row["heartbeat_at"]),
        "runs": field(_runs, LIST),
    },
)
MUTATIONS: dict[str, Field] = {
    "createAgent": mutation(create_agent, entityName=TEXT, projectName=TEXT, sweep=TEXT, host=TEXT),
    "agentHeartbeat": mutation(agent_heartbeat, id=TEXT, runState=JSON, metrics=JSON, alone=True),
}
