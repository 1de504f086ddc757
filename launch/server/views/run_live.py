"""What has changed of a run since the event before: new rows, console lines, state, summary, files."""

import json
import math
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from launch.server.request import Request
from launch.server.storage import lines
from launch.server.storage.blocks import as_float, columns
from launch.server.views.curves import short
from launch.server.views.parts import whole
from launch.server.views.places import run_of, sendable, told_summary
from launch.server.views.tables import told_line

MOST_VALUES, MOST_LINES = 600, 100
"""Of one event. More than that is not told: the page asks for its curves again."""


class Mark(NamedTuple):
    """What a page knows: numbers of the next lines, and a run's facts."""

    row: int
    console: int
    state: str
    summary: str
    files: int


def changes(request: Request, parts: Mapping[str, str], mark: Any) -> tuple[dict[str, Any] | None, Mark]:
    """What a page is told. At first: what has come since lines `row` and `console`, which the page has."""
    run = run_of(request, parts)
    tables, key = request.tables, run["id"]
    now = Mark(
        tables.lines.count(key, lines.HISTORY),
        tables.lines.count(key, lines.CONSOLE),
        run["state"],
        run["summary"],
        tables.files.count(key),
    )
    if not isinstance(mark, Mark):
        row, console = (whole(parts, name, 0, 0, 2**62) for name in ("row", "console"))
        mark = Mark(row, console, parts.get("state", ""), "", whole(parts, "files", 0, 0, 2**62))
    if now == mark:
        return None, now
    told: dict[str, Any] = {}
    if now.row != mark.row:
        told |= _rows(request, key, mark.row, now.row)
    if now.console != mark.console:
        told["console"] = _console(request, key, mark.console, now.console)
    if now.state != mark.state:
        told |= {"state": now.state, "exit_code": run["exit_code"]}
    if now.summary != mark.summary:
        told["summary"] = _summary(run, mark.summary)
    if now.files != mark.files:
        told["files"] = now.files
    return {**told, "seen": run["heartbeat_at"], "mark": [now.row, now.console, now.files]}, now


def _rows(request: Request, key: int, start: int, stop: int) -> dict[str, Any]:
    """New rows as points of curves, and which keys have new media; `again` where there are too many, or fewer."""
    if stop < start:
        return {"again": True}
    texts = request.tables.lines.page(key, lines.HISTORY, start, MOST_VALUES + 1)
    rows = [(row.line, json.loads(row.text)) for row in texts]
    placed = [(line, _step(row), row) for line, row in rows]
    found, media = columns([row for row in placed if row[1] is not None])
    told: dict[str, Any] = {"media": sorted({name for name, _, _ in media})}
    if sum(len(values) for _, values in found.values()) > MOST_VALUES:
        return {**told, "again": True, "keys": sorted(found)}
    points = {name: [list(steps), [_value(value) for value in values]] for name, (steps, values) in found.items()}
    return {**told, "points": points}


def _console(request: Request, key: int, start: int, stop: int) -> dict[str, Any]:
    first = max(start, stop - MOST_LINES) if stop > start else max(stop - MOST_LINES, 0)
    found = request.tables.lines.page(key, lines.CONSOLE, first, MOST_LINES)
    return {"first": first, "lines": [told_line(row.text) for row in found], "anew": first != start}


def _summary(run: sqlite3.Row, before: str) -> dict[str, Any]:
    """What of the summary is new or another; null for what is gone."""
    now, old = told_summary(json.loads(run["summary"])), told_summary(json.loads(before or "{}"))
    changed = {name: sendable(value) for name, value in now.items() if name not in old or old[name] != value}
    return {**changed, **{name: None for name in old if name not in now}}


def _step(row: Mapping[str, Any]) -> int | None:
    step = row.get("_step")
    if isinstance(step, bool) or not isinstance(step, int | float) or not -(2**62) < step < 2**62:
        return None
    return int(step)


def _value(value: float) -> float | None:
    number = as_float(value)
    return short(number) if math.isfinite(number) else None
