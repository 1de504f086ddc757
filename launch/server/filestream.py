"""`file_stream`: the lines of a run as they come, and the word that it is complete.

The payload is `{"files": {name: {"offset": n, "content": [lines]}}, "preempting": bool, "complete": bool,
"exitcode": n}`; an empty one is a sign of life. Everything in one payload is stored in one transaction before it
is acknowledged. This module does not know how to store lines, nor what a run's end means.
"""

import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from launch.server import lifecycle
from launch.server.errors import ApiError, NotFound
from launch.server.limits import ServeOptions
from launch.server.storage import Store, Tables, lines
from launch.server.wire import ENTITY

STREAMS = {
    "wandb-history.jsonl": lines.HISTORY,
    "wandb-events.jsonl": lines.EVENTS,
    "output.log": lines.CONSOLE,
}
SUMMARY = "wandb-summary.json"


def receive(
    store: Store[Tables], options: ServeOptions, path: tuple[str, str, str], payload: Mapping[str, Any]
) -> dict[str, Any]:
    """Take one payload for the run at `path` (entity, project, run name) and return the reply.

    Raises:
        NotFound: there is no such run.
        ApiError: the payload is not of the shape above.
        DiskFull: nothing of the payload was stored.
    """
    chunks = _chunks(payload)
    exit_code = _exit_code(payload)
    now = time.time()
    with store.write() as tables:
        run = find_run(tables, *path)
        for stream, offset, content in chunks:
            _store(tables, run["id"], stream, offset, content)
        if payload.get("preempting") and not run["preempting"]:
            tables.runs.set(run["id"], preempting=1)
            run = find_run(tables, *path)
        if exit_code is not None:
            lifecycle.end(tables, run, exit_code, now)
        else:
            lifecycle.alive(tables, run, now, options)
        stopped = lifecycle.should_stop(tables, run)
    return {"exitcode": None, "limits": {}, "stopped": stopped}


def find_run(tables: Tables, entity: str, project: str, name: str) -> sqlite3.Row:
    """The run at an address.

    Raises:
        NotFound: there is none.
    """
    found = tables.projects.by_name(project) if entity == ENTITY else None
    run = tables.runs.by_name(found["id"], name) if found is not None else None
    if run is None:
        raise NotFound(f"no run {entity}/{project}/{name}")
    return run


def _store(tables: Tables, run_id: int, stream: str, offset: int, content: list[str]) -> None:
    if stream == SUMMARY:
        tables.runs.set(run_id, summary=content[-1])
        return
    tables.lines.put(run_id, stream, offset, content)
    if stream == lines.EVENTS:
        tables.runs.set(run_id, system_metrics=content[-1])


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
    return code if isinstance(code, int) else 0
