"""Changes to runs: made or updated by the process that works on them, or by a person through the public API."""

import json
import logging
import sqlite3
from typing import Any

from launch.server import lifecycle
from launch.server.arguments import FLAG, JSON, NUMBER, TEXT, TEXTS
from launch.server.errors import CONFLICT, GONE, ApiError, NotFound
from launch.server.graphql import Field, Node
from launch.server.request import Request
from launch.server.resolvers import branches
from launch.server.resolvers.table import Given, Payload, mutation
from launch.server.storage import runs
from launch.server.wire import checked_name, dumps, json_object, new_name, parse_row_id

logger = logging.getLogger(__name__)

TEXT_COLUMNS = {
    "displayName": "display_name",
    "description": "description",
    "notes": "notes",
    "groupName": "group_name",
    "jobType": "job_type",
    "commit": "commit_hash",
    "host": "host",
    "jobProgram": "program",
    "jobRepo": "repo",
}
"""Plain columns by the names of their inputs. A null leaves the old value."""
TOLD_ONCE = ("host", "jobProgram", "jobRepo", "jobType", "commit")
"""What a process tells of itself when it begins, and not again."""
GOING_ON = frozenset({"5", "67", "71", "72"})
"""What the client's telemetry calls runs that are resumed, shared, forked or rewound."""
TRANSITIONS = {
    runs.PENDING: (runs.RUNNING, runs.FAILED, runs.CRASHED, runs.PREEMPTED),
    runs.FAILED: (runs.PENDING, runs.RUNNING),
}
"""Which states `updateRunState` may set, and from which."""
MUCH = 1 << 20
"""Characters that a run under way may change at once, whatever the quota."""


def upsert_run(request: Request, given: Given) -> Payload:
    """Make a run, start one that was waiting, or update one. `inserted` is true for exactly one caller.

    Named by project and name the caller is a process that works on the run, which so becomes running; named by
    its global id it is a person's update, which leaves the state alone.
    """
    now = request.services.clock.now()
    columns = _columns(given)
    by_id = given.get("id") and not given.get("name")
    row = _find(request, given["id"]) if by_id else _by_name(request, given)
    inserted = False
    if row is None:
        row = _made(request, given, columns)
        inserted = True
    else:
        size = sum(len(value) for value in columns.values() if isinstance(value, str))
        if by_id or size > MUCH:
            request.must_have_room(row["project_id"], size)
        request.tables.runs.set(row["id"], **columns)
        if not by_id and given.get("state") is None:
            anew = _begins_anew(given)
            inserted = lifecycle.begin(request.tables, row, now, request.services.options, anew=anew)
    return {"bucket": Node("Run", _fresh(request, row["id"])), "inserted": inserted}


def delete_run(request: Request, given: Given) -> Payload:
    """Forget a run, and the artifacts that it made if so asked. To forget one that is gone already is no error.

    If it did a point of a grid, the point is to be done again.
    """
    key = parse_row_id("Run", given.get("id"))
    project_id = None if key is None else request.tables.runs.deleted_from(key)
    if project_id is not None and request.sees(project_id):
        return {"clientMutationId": None, "success": True}
    row = _find(request, given.get("id"))
    if given.get("deleteArtifacts"):
        for artifact in request.tables.artifacts.of_run(row["id"], "made"):
            if artifact["run_id"] == row["id"]:
                request.tables.artifacts.delete(artifact["id"])
    if request.tables.points.reopen(row["id"]):
        request.tables.sweeps.shrink(row["sweep_id"])
    request.tables.runs.delete(row["id"])
    request.services.exports.forget(row["id"])
    return {"clientMutationId": None, "success": True}


def stop_run(request: Request, given: Given) -> Payload:
    """Ask a run to stop; its process hears of it with its next sign of life."""
    row = _find(request, given.get("id"))
    if row["state"] in runs.ALIVE:
        request.tables.runs.set(row["id"], stop_requested=1)
    return {"success": True, "clientMutationId": None}


def update_state(request: Request, given: Given) -> Payload:
    """Mark a run without a sweep as waiting or as failed.

    Raises:
        ApiError: the run belongs to a sweep, or its state does not allow it.
    """
    row = _find(request, given.get("id"))
    state = str(given.get("state"))
    if row["sweep_id"] is not None:
        raise ApiError("the state of a sweep's run cannot be set; stop or delete the run", CONFLICT)
    if row["state"] not in TRANSITIONS.get(state, ()):
        raise ApiError(
            f"invalid state transition: a run that is {row['state']} cannot be set to {state!r}", CONFLICT
        )
    request.tables.runs.set(row["id"], state=state)
    return {"success": True}


def alert(request: Request, given: Given) -> Payload:
    """`run.alert`: this server has no mail; it notes the alert in its log.

    Raises:
        NotFound: there is no such run.
    """
    request.run_at(given.get("entityName"), given.get("projectName"), given.get("runName"))
    logger.warning("alert of run %s: %s: %s", given.get("runName"), given.get("title"), given.get("text"))
    return {"success": True}


def _begins_anew(given: Given) -> bool:
    """Whether `wandb.init` starts over with a run that exists, instead of going on with it.

    One that resumes has looked the run up, and names its global id; only the first update of a process tells where
    it runs. Runs that several processes share, or that are rewound, go on.
    """
    if given.get("id") or given.get("config") is None or not any(given.get(key) for key in TOLD_ONCE):
        return False
    own = json_object(given["config"], "config").get("_wandb")
    told = own.get("value") if isinstance(own, dict) else None
    telemetry = told.get("t") if isinstance(told, dict) else None
    features = telemetry.get("3") if isinstance(telemetry, dict) else None
    return not (isinstance(features, list) and GOING_ON.intersection(map(str, features)))


def _by_name(request: Request, given: Given) -> sqlite3.Row | None:
    project, _ = request.made_project(given.get("entityName"), given.get("modelName"))
    name = given.get("name")
    return None if not name else request.tables.runs.by_name(project["id"], str(name))


def _made(request: Request, given: Given, columns: dict[str, Any]) -> sqlite3.Row:
    tables = request.tables
    project, _ = request.made_project(given.get("entityName"), given.get("modelName"))
    name = checked_name(given.get("name") or new_name(), "run")
    if tables.runs.was_deleted(project["id"], name):  # its process may still write, and would write into this one
        raise ApiError(f"run {name} was deleted, and an id is not given twice: use another one", GONE)
    request.must_have_runs(project["id"])
    sweep = tables.sweeps.by_name(project["id"], str(given["sweep"])) if given.get("sweep") else None
    number = tables.projects.next_number(project["id"])
    state = given.get("state") or runs.RUNNING
    if state not in runs.ALIVE:
        raise ApiError(f"a new run is 'running' or 'pending', not {state!r}")
    values = {"display_name": f"run-{number}", "state": state, "started": int(state == runs.RUNNING)}
    key = tables.runs.add(
        project["id"], name, **{**values, **columns, "sweep_id": sweep["id"] if sweep is not None else None}
    )
    made = _fresh(request, key)
    branches.fork(request, made, json_object(made["config"], "config"))
    return made


def _columns(given: Given) -> dict[str, Any]:
    columns: dict[str, Any] = {
        column: str(given[key]) for key, column in TEXT_COLUMNS.items() if given.get(key) is not None
    }
    for key, column in (("config", "config"), ("summaryMetrics", "summary")):
        if given.get(key) is not None:
            columns[column] = dumps(json_object(given[key], key))
    if given.get("tags") is not None:
        columns["tags"] = json.dumps([str(tag) for tag in given["tags"]])
    return columns


def _find(request: Request, global_id: object) -> sqlite3.Row:
    key = parse_row_id("Run", global_id)
    row = request.tables.runs.by_id(key) if key is not None else None
    return request.changeable(row, f"no run with the id {str(global_id)[:80]!r}")


def _fresh(request: Request, key: int) -> sqlite3.Row:
    row = request.tables.runs.by_id(key)
    if row is None:
        raise NotFound(f"run {key} is gone")
    return row


MUTATIONS: dict[str, Field] = {
    "upsertBucket": mutation(
        upsert_run,
        dict.fromkeys(("id", "name", "entityName", "modelName", "sweep", "state", *TEXT_COLUMNS), TEXT),
        config=JSON, summaryMetrics=JSON, tags=TEXTS,
    ),
    "deleteRun": mutation(delete_run, id=TEXT, deleteArtifacts=FLAG),
    "stopRun": mutation(stop_run, id=TEXT),
    "updateRunState": mutation(update_state, id=TEXT, state=TEXT),
    "notifyScriptableRunAlert": mutation(
        alert, entityName=TEXT, projectName=TEXT, runName=TEXT, title=TEXT, text=TEXT
    ),
    "rewindRun": mutation(
        branches.rewind, entityName=TEXT, projectName=TEXT, runName=TEXT, metricName=TEXT, metricValue=NUMBER
    ),
}  # fmt: skip
