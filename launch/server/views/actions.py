"""What a person may change from a page: the state of a sweep, its failed points, the notes and tags of a run.

It takes a session (the cookie of a browser that logged in) or a key; who reads without either changes nothing. A
session may do what the key may that opened it. What is sent is JSON, and comes from this server's own pages
(`origin`).
"""

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from launch.server.bodies import whole_body
from launch.server.browsers import page_writer
from launch.server.errors import CONFLICT, FORBIDDEN, ApiError
from launch.server.limits import KIB
from launch.server.request import Request, Services
from launch.server.resolvers import run_changes, sweeps
from launch.server.storage.sweeps import CANCELED, FINISHED, PAUSED, RUNNING
from launch.server.threads import Threads
from launch.server.wire import gid, json_object

Action = Callable[[Request, Mapping[str, str], Mapping[str, Any]], Any]
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
MAX_BODY = 128 * KIB
AT_ONCE = 100_000
MOST_TAGS, LONGEST_TAG = 100, 64
STATES = {"pause": PAUSED, "resume": RUNNING, "stop": FINISHED, "cancel": CANCELED}
"""`stop` lets those that run go on to their end; `cancel` asks them to stop, too."""


def routes() -> list[BaseRoute]:
    """The addresses."""
    return [Route(f"/change{address}", _taken(act), methods=["POST"]) for address, act in ACTIONS.items()]


def _taken(act: Action) -> Callable[[HttpRequest], Awaitable[Response]]:
    async def take(http: HttpRequest) -> Response:
        services: Services = http.app.state.services
        threads: Threads = http.app.state.threads
        body = await whole_body(http, MAX_BODY)

        def change() -> bytes:
            caller = page_writer(http)
            if caller.read_only:
                raise ApiError("this key may only read", FORBIDDEN)
            given = json_object(body.decode(errors="replace"), "the request")
            with Request(services, "", writes=True, caller=caller) as request:
                return orjson.dumps(act(request, http.path_params, given))

        return Response(await threads.for_reads(change), media_type="application/json", headers=HEADERS)

    return take


def change_sweep(request: Request, parts: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Set the state of a sweep, or open its failed points again: `{"action": "stop" | … | "reopen"}`.

    Raises:
        NotFound: there is no such sweep that the sender may see.
        ApiError: there is no such action, the sender may only read, or the sweep's state does not allow it.
    """
    project = request.project(parts["entity"], parts["project"])
    found = None if project is None else request.tables.sweeps.by_name(project["id"], parts["sweep"])
    row = request.changeable(found, f"no sweep {parts['entity']}/{parts['project']}/{parts['sweep']}")
    action = given.get("action")
    if action == "reopen":
        opened = _reopen(request, row)
        return {"state": _state(request, row["id"]), "opened": opened}
    if not isinstance(action, str) or action not in STATES:
        raise ApiError(f"action is {str(action)[:80]!r}; it can be {', '.join([*STATES, 'reopen'])}")
    if action in ("pause", "stop") and row["state"] in (CANCELED, FINISHED):
        raise ApiError(f"this sweep is {row['state'].lower()} already; resume it first", CONFLICT)
    sweeps.upsert_sweep(request, {"id": gid("Sweep", row["id"]), "state": STATES[action]})
    if action == "resume":  # one that has nothing left to do is finished, not running for ever
        request.tables.sweeps.finish_if_done(row["id"])
    return {"state": _state(request, row["id"])}


def change_run(request: Request, parts: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Set the notes or the tags of a run: `{"notes": "…", "tags": ["…"]}`, either or both.

    Raises:
        NotFound: there is no such run that the sender may see.
        ApiError: the sender may not change the project, or notes or tags are of the wrong type or too long.
    """
    row = request.run_at(parts["entity"], parts["project"], parts["run"])
    change: dict[str, Any] = {}
    if "notes" in given:
        if not isinstance(given["notes"], str):
            raise ApiError("notes must be a text")
        change["notes"] = given["notes"]
    if "tags" in given:
        change["tags"] = _tags(given["tags"])
    if not change:
        raise ApiError("nothing to change: give `notes`, `tags` or both")
    run_changes.upsert_run(request, {"id": gid("Run", row["id"]), **change})
    told = request.run_at(parts["entity"], parts["project"], parts["run"])
    return {"notes": told["notes"] or "", "tags": orjson.loads(told["tags"])}


def _reopen(request: Request, row: sqlite3.Row) -> int:
    """Hand out again the points whose runs did not finish; those runs stay as they are. How many they were."""
    if row["state"] == CANCELED:
        raise ApiError("this sweep was cancelled; resume it first", CONFLICT)
    tables = request.tables
    failed = tables.points.failed(row["id"], AT_ONCE)
    for run_id in failed:
        tables.points.reopen(run_id)
    if failed and row["state"] == FINISHED:
        tables.sweeps.set_state(row["id"], RUNNING)
    return len(failed)


def _state(request: Request, key: int) -> str:
    row = request.tables.sweeps.by_id(key)
    return "" if row is None else str(row["state"])


def _tags(given: object) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(tag, str) for tag in given):
        raise ApiError("tags must be a list of texts")
    tags = list(dict.fromkeys(tag.strip() for tag in given if tag.strip()))
    long = [tag for tag in tags if len(tag) > LONGEST_TAG]
    if long or len(tags) > MOST_TAGS:
        raise ApiError(f"a run has at most {MOST_TAGS} tags of at most {LONGEST_TAG} characters")
    return tags


ACTIONS: Mapping[str, Action] = {
    "/{entity}/{project}/sweeps/{sweep}": change_sweep,
    "/{entity}/{project}/runs/{run}": change_run,
}
"""What each address changes."""
