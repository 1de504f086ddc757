"""What an agent is told when it calls: one new run, nothing, stop these, or exit.

All of it happens in one transaction, so that a point is never handed to two agents. This module does not know how
the answer travels.
"""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from launch.server import lifecycle
from launch.server.limits import ServeOptions
from launch.server.search import watch
from launch.server.search.proposals import Proposal
from launch.server.storage import Tables, runs, sweeps
from launch.server.wire import dumps, new_name

Command = dict[str, Any]


def heartbeat(
    tables: Tables,
    agent: sqlite3.Row,
    run_state: Mapping[str, Any],
    now: float,
    options: ServeOptions,
    proposal: Proposal | None = None,
    awake_since: float = 0.0,
) -> list[Command]:
    """Renew what the agent works on, free what was lost, and answer with at most one new run.

    `agent` is what `Agents.with_sweep` tells. `run_state` maps the name of each run that the agent has to whether
    it is running. `proposal` is the point to hand out if none that is stored is free. Only silence after
    `awake_since` counts.
    """
    agent_id = agent["id"]
    tables.agents.beat(agent_id, now)
    listed, gone = _listed(tables, agent["project_id"], run_state)
    stopped = set()
    for run in listed:
        if run["agent_id"] != agent_id:  # somebody else goes on with it, or it was made anew after it was deleted
            stopped.add(run["name"])
            continue
        lifecycle.alive(tables, run, now, options)
        if watch.judge(tables, run) or lifecycle.should_stop(tables, run):
            stopped.add(run["name"])
    kept = [run["id"] for run in listed]
    tables.points.shorten(agent_id, kept, now + options.grace_seconds)
    lifecycle.expire(tables, now, options, awake_since)
    state = agent["state"]
    if state == sweeps.RUNNING and tables.sweeps.finish_if_done(agent["sweep_id"]):
        state = sweeps.FINISHED
    if listed or gone:
        to_stop = [run["name"] for run in listed if run["name"] in stopped] + gone
        return [{"type": "stop", "run_id": name} for name in to_stop]
    if state in (sweeps.FINISHED, sweeps.CANCELED):
        tables.agents.dismissed(agent_id)
        return [{"type": "exit"}]
    if state == sweeps.PAUSED:
        return []
    unheard = tables.points.unheard(agent_id, options.attempts)
    if unheard is not None:  # the reply that told of it was lost: the same run is to be told again
        tables.points.release(unheard, resume=True)
    command = claim(tables, agent["sweep_id"], agent_id, now, options, agent=agent, proposal=proposal)
    return [] if command is None else [command]


def claim(
    tables: Tables,
    sweep_id: int,
    agent_id: int | None,
    now: float,
    options: ServeOptions,
    *,
    agent: sqlite3.Row | None = None,
    proposal: Proposal | None = None,
) -> Command | None:
    """Hand out the first free point of a sweep as a new run; None when every point is held or ended.

    Without a free one it is the proposal, if no other point was drawn since it was made.
    """
    sweep = agent if agent is not None else tables.sweeps.by_id(sweep_id)
    point = tables.points.next_pending(sweep_id)
    if point is None and proposal is not None and proposal.index == tables.points.drawn(sweep_id):
        tables.points.append(sweep_id, proposal.index, proposal.args, proposal.coordinates)
        point = tables.points.next_pending(sweep_id)
    if sweep is None or point is None:
        return None
    args = {name: {"value": value} for name, value in json.loads(point["args"]).items()}
    again = tables.runs.by_id(point["run_id"]) if point["resume"] and point["run_id"] is not None else None
    if again is not None:
        run_id, name = again["id"], again["name"]
        tables.runs.set(
            run_id, state=runs.PENDING, agent_id=agent_id, preempting=0, exit_code=None, heartbeat_at=now
        )
    else:
        project_id = sweep["project_id"]
        name = _free_name(tables, project_id)
        run_id = tables.runs.add(
            project_id,
            name,
            display_name=f"sweep-{tables.projects.next_number(project_id)}",
            state=runs.PENDING,
            config=dumps(args),
            sweep_id=sweep_id,
            agent_id=agent_id,
        )
    tables.points.claim(sweep_id, point["idx"], run_id, agent_id, now + options.lease_seconds)
    kind = "resume" if again is not None and again["started"] else "run"
    return {"type": kind, "run_id": name, "program": sweep["program"], "args": args}


def enqueue(
    tables: Tables, sweep: sqlite3.Row, index: int, config: Mapping[str, Any], display_name: str | None
) -> str:
    """Add a point to a sweep, with a run that waits for an agent; the name of the run."""
    project_id = sweep["project_id"]
    name = _free_name(tables, project_id)
    run_id = tables.runs.add(
        project_id,
        name,
        display_name=display_name or f"sweep-{tables.projects.next_number(project_id)}",
        state=runs.PENDING,
        config=dumps({key: {"value": value} for key, value in config.items()}),
        sweep_id=sweep["id"],
    )
    tables.points.enqueue(sweep["id"], index, dumps(config), run_id)
    tables.sweeps.grow(sweep["id"])
    return name


def cancel(tables: Tables, sweep_id: int) -> None:
    """Ask every run of a sweep to stop that lives, or was taken for lost and may come back.

    One that never starts counts as killed when its lease runs out. One that waits for an agent goes on waiting,
    for the sweep may be resumed.
    """
    unended = (
        "runs.sweep_id = ? AND runs.state IN ('pending', 'running', 'crashed')"
        " AND NOT (runs.state = 'pending' AND runs.agent_id IS NULL)"
    )
    for run in tables.runs.listed((unended, (sweep_id,))):
        tables.runs.set(run["id"], stop_requested=1)


def _listed(tables: Tables, project_id: int, run_state: Mapping[str, Any]) -> tuple[list[sqlite3.Row], list[str]]:
    """The runs that an agent works on, and the names of those that were deleted meanwhile."""
    names = [str(name) for name, running in run_state.items() if running]
    found = {name: tables.runs.by_name(project_id, name) for name in names}
    return [run for run in found.values() if run is not None], [name for name in names if found[name] is None]


def _free_name(tables: Tables, project_id: int) -> str:
    name = new_name()
    while tables.runs.exists(project_id, name) or tables.runs.was_deleted(project_id, name):
        name = new_name()
    return name
