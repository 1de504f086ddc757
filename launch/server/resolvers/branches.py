"""Runs that branch off an earlier point of a history: a new run from another one, or a run from its own past.

The point is a step, the only metric that the client lets its users name. This module does not know how a run is
made.
"""

import sqlite3
from collections.abc import Mapping
from typing import Any

from launch.server import arguments
from launch.server.errors import ApiError, NotFound
from launch.server.graphql import Node
from launch.server.request import Request
from launch.server.resolvers.table import Given, Payload

STEP = "_step"


def fork(request: Request, run: sqlite3.Row, config: Mapping[str, Any]) -> None:
    """Give a new run the history of the run that its config names as its parent (`wandb.init(fork_from=…)`).

    Raises:
        NotFound: its project has no such run.
        ApiError: the config names no step.
    """
    own = config.get("_wandb")
    value = own.get("value") if isinstance(own, dict) else None
    point = value.get("branch_point") if isinstance(value, dict) else None
    if not isinstance(point, dict) or point.get("run_id") == run["name"]:
        return
    name, step = str(point.get("run_id")), point.get("step")
    parent = request.tables.runs.by_name(run["project_id"], name)
    if parent is None:
        raise NotFound(f"no run {run['project_name']}/{name} to fork from")
    if step is None or not arguments.is_number(step):
        raise ApiError(f"a run is forked at a step, not at {step!r}")
    request.must_have_room(run["project_id"], parent["row_bytes"])
    request.tables.lines.inherit(run["id"], parent["id"], step)
    request.tables.usage.count_rows(run["id"])


def rewind(request: Request, given: Given) -> Payload:
    """Take a run back to a step (`wandb.init(resume_from=…)`): the later rows of its history are forgotten.

    Raises:
        NotFound: there is no such run.
        ApiError: another metric than the step is named.
    """
    run = request.run_at(given.get("entityName"), given.get("projectName"), given.get("runName"))
    if given.get("metricName") != STEP or given.get("metricValue") is None:
        raise ApiError(f"a run can be taken back to a value of {STEP} only")
    request.tables.lines.cut(run["id"], given["metricValue"])
    request.tables.usage.count_rows(run["id"])
    request.tables.rungs.clear(run["id"])
    return {"rewoundRun": Node("Run", run)}
