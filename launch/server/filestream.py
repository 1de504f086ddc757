"""`file_stream`: the lines of a run as they come, and the word that it is complete.

The payload is `{"files": {name: {"offset": n, "content": [lines]}}, "preempting": bool, "complete": bool,
"exitcode": n}`; an empty one is a sign of life. Everything in one payload is stored in one transaction before it
is acknowledged. This module does not know how to store lines, nor what a run's end means.
"""

import sqlite3
from collections.abc import Mapping
from typing import Any

from launch.server import arguments, lifecycle
from launch.server.errors import ApiError
from launch.server.limits import MAX_NAME
from launch.server.request import Request
from launch.server.search import watch
from launch.server.storage import Tables, lines
from launch.server.wire import dumps, json_object

STREAMS = {
    "wandb-history.jsonl": lines.HISTORY,
    "wandb-events.jsonl": lines.EVENTS,
    "output.log": lines.CONSOLE,
}
SUMMARY = "wandb-summary.json"
WRITER_HEADER = "x-wandb-async-client-id"
"""Names the process that writes, where several write to one run (mode="shared")."""


def receive(
    request: Request, path: tuple[str, str, str], payload: Mapping[str, Any], writer: str | None = None
) -> dict[str, Any]:
    """Take one payload for the run at `path` (entity, project, run name) and return the reply.

    `writer`: who writes, where several processes write to the run; each numbers its own lines.

    Raises:
        NotFound: there is no such run that the caller may see.
        ApiError: the payload is not of the shape above.
        DiskFull: nothing of the payload was stored.
    """
    chunks = _chunks(payload)
    exit_code = _exit_code(payload)
    now = request.services.clock.now()
    tables = request.tables
    run = request.run_at(*path)
    for stream, offset, content in chunks:
        if writer is None:
            _store(tables, run["id"], stream, offset, content)
        elif stream == SUMMARY:
            _add_summary(tables, run, content[-1])
        else:
            _store_shared(tables, run["id"], stream, writer, offset, content)
    if run["sweep_id"] is not None:
        history = [offset for stream, offset, _ in chunks if stream == lines.HISTORY]
        summaries = [content[-1] for stream, _, content in chunks if stream == SUMMARY]
        watch.rows_came(tables, run, min(history, default=None), summaries[-1] if summaries else None)
        if exit_code is None and watch.judge(tables, run):
            run = request.run_at(*path)
    if payload.get("preempting") and not run["preempting"]:
        tables.runs.set(run["id"], preempting=1)
        run = request.run_at(*path)
    if exit_code is not None:
        lifecycle.end(tables, run, exit_code, now)
    else:
        lifecycle.alive(tables, run, now, request.services.options)
    return {"exitcode": None, "limits": {}, "stopped": lifecycle.should_stop(tables, run)}


def _store(tables: Tables, run_id: int, stream: str, offset: int, content: list[str]) -> None:
    if stream == SUMMARY:
        json_object(content[-1], "a summary")
        tables.runs.set(run_id, summary=content[-1])
        return
    if stream == lines.EVENTS:
        json_object(content[-1], "system metrics")
        tables.runs.set(run_id, system_metrics=content[-1])
    try:
        stored = tables.lines.put(run_id, stream, offset, content)
    except ValueError as error:
        raise ApiError(str(error)) from error
    if stored:
        tables.usage.add_rows(run_id, stored)


def _add_summary(tables: Tables, run: sqlite3.Row, text: str) -> None:
    """The summary of one of several writers is added to what the others told."""
    told = json_object(text, "a summary")
    tables.runs.set(run["id"], summary=dumps({**json_object(run["summary"], "a summary"), **told}))


def _store_shared(tables: Tables, run_id: int, stream: str, writer: str, offset: int, content: list[str]) -> None:
    """One of several writers: its lines go behind those of the others.

    The steps of its history are given here, as no writer knows how far the others are.
    """
    numbers = range(offset, offset + len(content))
    end = tables.lines.count(run_id, stream)
    places = tables.writers.places(run_id, stream, writer[:MAX_NAME], numbers, end)
    if stream == lines.HISTORY:
        content = [
            dumps({**json_object(text, "a row"), "_step": place})
            for place, text in zip(places, content, strict=True)
        ]
    start = 0
    for stop in range(1, len(places) + 1):
        if stop == len(places) or places[stop] != places[stop - 1] + 1:
            _store(tables, run_id, stream, places[start], content[start:stop])
            start = stop


def _chunks(payload: Mapping[str, Any]) -> list[tuple[str, int, list[str]]]:
    files = payload.get("files", {})
    files = {} if files is None else files
    if not isinstance(files, dict):
        raise ApiError("`files` must be an object of file names")
    chunks = []
    for name, chunk in files.items():
        content = chunk.get("content") if isinstance(chunk, dict) else None
        offset = chunk.get("offset", 0) if isinstance(chunk, dict) else None
        good = isinstance(content, list) and all(isinstance(line, str) for line in content)
        if not good or not isinstance(offset, int) or not 0 <= offset < 2**53:
            raise ApiError(f"the stream {name[:80]!r} must have an `offset` and `content`, a list of lines")
        stream = name if name == SUMMARY else STREAMS.get(name)
        if stream is not None and content:
            chunks.append((stream, offset, content))
    return chunks


def _exit_code(payload: Mapping[str, Any]) -> int | None:
    if not payload.get("complete"):
        return None
    code = payload.get("exitcode")
    if code is None:
        return 0
    if not arguments.is_whole(code):
        raise ApiError(f"`exitcode` must be a whole number, not {str(code)[:80]!r}")
    return int(code)
