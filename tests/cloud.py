"""A strict double of wandb.ai for the tests: the embedded server without what wandb.ai does not do.

    python -m tests.cloud DIR RATE

It limits the rate of each key (429 with `Retry-After`, `RateLimit-*` on every answer), never hands out again what
a dead worker held, sends an agent home as soon as no point is left, does not take up a cancelled sweep, and takes
no further run for a sweep that has no scheduler of its own. The definition of a sweep never changes: that is
refused, or with `SASHIKO_CLOUD_MUTE=1` taken without a word and without an effect. What the client has no word
for (`deleteSweep`) is not known. As on wandb.ai a run goes on elsewhere only if it said that it is preempted, and
no id of a deleted run is given again.
"""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from launch.server import Address, app, dispatch, lifecycle, serve
from launch.server.errors import ApiError, error_body
from launch.server.limits import ServeOptions
from launch.server.request import Request, Services
from launch.server.resolvers import SCHEMA
from launch.server.resolvers import sweeps as resolver
from launch.server.storage import Tables, runs, sweeps
from tests.lab import LEASE, ROOT, Lab

WINDOW_S = 1.0
RATE = "10"
"""Requests a second."""
lose, heartbeat, update, make_app = lifecycle.lose, dispatch.heartbeat, resolver._update, app.make_app
enqueue = dispatch.enqueue


def lose_for_ever(tables: Tables, run_id: int, options: ServeOptions) -> None:
    """A run that crashed keeps its point."""
    run = tables.runs.by_id(run_id)
    if run is None or run["preempting"] or run["stop_requested"]:
        lose(tables, run_id, options)
        return
    tables.runs.set(run_id, state=runs.CRASHED)
    sweep_id = tables.points.end(run_id)
    if sweep_id is not None:
        tables.sweeps.finish_if_done(sweep_id)


def send_home(
    tables: Tables, agent: sqlite3.Row, run_state: Mapping[str, Any], *more: Any, **named: Any
) -> list[dict[str, Any]]:
    """Nobody waits for points that others hold."""
    told = heartbeat(tables, agent, run_state, *more, **named)
    if told or any(run_state.values()) or agent["state"] == sweeps.PAUSED:
        return told
    tables.sweeps.finish(agent["sweep_id"])
    return [{"type": "exit"}]


def leave_as_it_is(request: Request, given: Mapping[str, Any]) -> sqlite3.Row:
    """A cancelled sweep stays so, and no sweep gets another definition."""
    key = resolver.parse_row_id("Sweep", given["id"])
    row = None if key is None else request.tables.sweeps.by_id(key)
    if row is not None and row["state"] == sweeps.CANCELED and given.get("state") not in (None, sweeps.CANCELED):
        raise ApiError("a cancelled sweep cannot be resumed")
    if given.get("config") is not None:
        if os.environ.get("SASHIKO_CLOUD_MUTE") != "1":
            raise ApiError("the configuration of a sweep cannot be changed once it exists")
        return update(request, {**given, "config": None})
    return update(request, given)


def refuse_more(tables: Tables, sweep: sqlite3.Row, *more: Any) -> str:
    """Only a scheduler adds runs to its sweep."""
    if not sweep["scheduled"]:
        raise ApiError("this sweep has no scheduler that adds runs")
    return enqueue(tables, sweep, *more)


class Limits:
    """So many requests a second for each key; a refused one is told when to come again."""

    def __init__(self, inner: ASGIApp, rate: int, noted: Path) -> None:
        """How many requests were refused is `noted` in a file."""
        self.inner, self.rate, self.noted = inner, rate, noted
        self.windows: dict[bytes, tuple[float, int]] = {}
        self.refused = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = dict(scope["headers"]).get(b"authorization") if scope["type"] == "http" else None
        if key is None:
            await self.inner(scope, receive, send)
            return
        start, used = self.windows.get(key, (0.0, 0))
        now = time.monotonic()
        start, used = (now, 0) if now - start >= WINDOW_S else (start, used)
        self.windows[key] = (start, used + 1)
        told = {
            "RateLimit-Limit": str(self.rate),
            "RateLimit-Remaining": str(max(self.rate - used - 1, 0)),
            "RateLimit-Reset": "1",
        }
        if used >= self.rate:
            self.refused += 1
            self.noted.write_text(str(self.refused))
            body = error_body(f"rate limit exceeded, the {self.refused}th time")
            await JSONResponse(body, status_code=429, headers={**told, "Retry-After": "1"})(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(name.encode(), value.encode()) for name, value in told.items()]
            await send(message)

        await self.inner(scope, receive, with_headers)


class Views:
    """What only W&B's own servers do: they save views (workspaces and reports), and send nothing in bulk."""

    def __init__(self, inner: ASGIApp, noted: Path) -> None:
        """The views are `noted` in a file, a line each."""
        self.inner, self.noted = inner, noted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/bulk"):
            await Response(status_code=404)(scope, receive, send)
            return
        if scope["type"] != "http" or scope["path"] != "/graphql":
            await self.inner(scope, receive, send)
            return
        body = await HttpRequest(scope, receive).body()
        asked = json.loads(body)
        if "upsertView" in asked["query"]:
            with self.noted.open("a") as file:
                file.write(json.dumps(asked["variables"]) + "\n")
            view = {"id": "VmlldzoxMjM=", "name": asked["variables"]["name"], "displayName": "x", "type": "runs"}
            view |= {key: asked["variables"].get(key) for key in ("displayName", "description", "spec", "type")}
            view |= {"project": {"name": "scripts", "entityName": "local"}, "createdUsing": "WANDB_SDK"}
            await JSONResponse({"data": {"upsertView": {"view": view, "inserted": True}}})(scope, receive, send)
            return

        async def again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self.inner(scope, again, send)


@contextlib.contextmanager
def serving(lab: Lab, **extra: str) -> Iterator[None]:
    """The double for a lab, whose commands speak to it, until the block ends; `extra` is of its environment."""
    environment = {**os.environ, "SASHIKO_LEASE_SECONDS": LEASE, **extra}
    command = [sys.executable, "-m", "tests.cloud", str(lab.folder / ".sashiko"), RATE]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url, key = server.stdout.readline().split()
        lab.environment |= {"WANDB_BASE_URL": url, "WANDB_API_KEY": key, "WANDB_SILENT": "true"}
        yield
    finally:
        server.terminate()
        server.communicate(timeout=30)


def main(directory: Path, rate: int) -> None:
    lifecycle.lose, dispatch.heartbeat, resolver._update = lose_for_ever, send_home, leave_as_it_is
    dispatch.enqueue = refuse_more
    SCHEMA["Mutation"].fields.pop("deleteSweep")  # type: ignore[attr-defined]

    def made(services: Services) -> ASGIApp:
        inner: ASGIApp = make_app(services)
        if os.environ.get("SASHIKO_CLOUD_VIEWS") == "1":
            inner = Views(inner, directory / "views")
        return Limits(inner, rate, directory / "refused")

    app.make_app = made  # type: ignore[assignment]
    serve(directory, Address(port=0), on_ready=lambda info: print(info.url, info.key, flush=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
