"""Tables that a run has logged (`wandb.Table`), a page at a time, sorted by any column, and its console."""

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from launch.server.errors import NotFound
from launch.server.request import Request
from launch.server.resolvers.history import parse_line
from launch.server.storage import lines
from launch.server.storage.blocks import as_float
from launch.server.views.parts import whole
from launch.server.views.places import run_of, sendable

ROWS, MOST_ROWS, MOST_COLUMNS, LINES = 25, 500, 200, 200
LONGEST = 1_000
"""Characters of a line of the console that are shown."""
MOST_BYTES = 64 << 20
KEPT = 4
"""Tables that are kept read, so that the next page of one is there at once."""


def table(request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """Rows from `offset` on of a table's file, at most `limit`, by column number `sort` (`down=1`: from above)."""
    run = run_of(request, parts)
    name = parts.get("path", "")
    row = request.tables.files.get(run["id"], name)
    if row is None:
        raise NotFound(f"this run has no file {name[:200]!r}")
    columns, data = _read(request.services.blobs.path(row["blob"]))
    sort = whole(parts, "sort", -1, -1, len(columns) - 1)
    order = _order(request.services.blobs.path(row["blob"]), sort, parts.get("down") == "1")
    offset, limit = whole(parts, "offset", 0, 0, len(data)), whole(parts, "limit", ROWS, 1, MOST_ROWS)
    cells = [[_cell(cell) for cell in data[index][:MOST_COLUMNS]] for index in order[offset : offset + limit]]
    return {"columns": columns[:MOST_COLUMNS], "rows": cells, "count": len(data), "offset": offset}


def console(request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """Lines of the console before number `before`, at most so many, oldest first; the last ones without it."""
    run = run_of(request, parts)
    count = request.tables.lines.count(run["id"], lines.CONSOLE)
    stop = whole(parts, "before", count, 0, count)
    start = max(stop - LINES, 0)
    found = request.tables.lines.page(run["id"], lines.CONSOLE, start, stop - start)
    return {"lines": [told_line(item.text) for item in found if item.line < stop], "first": start}


def told_line(text: str) -> list[str | None]:
    """A line of the console: what it says, and its level if it has one."""
    parsed = parse_line(text)
    line = parsed["line"] or ""
    return [line if len(line) <= LONGEST else f"{line[:LONGEST]} … ({len(line):,} characters)", parsed["level"]]


@lru_cache(maxsize=KEPT)
def _read(path: Path) -> tuple[list[str], list[list[Any]]]:
    """The columns and the rows of a table's file; the name of a blob says what it holds, so it is read once."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise NotFound(f"this table has more than {MOST_BYTES:,} bytes: download its file")
        told = json.loads(path.read_bytes())
        columns, data = told["columns"], told["data"]
        if not isinstance(columns, list) or not all(isinstance(row, list) for row in data):
            raise NotFound("this file is no table")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotFound(f"this file is no table: {type(error).__name__}") from error
    return [str(column) for column in columns], data


@lru_cache(maxsize=4 * KEPT)
def _order(path: Path, column: int, down: bool) -> list[int]:
    """The numbers of the rows in order: numbers before words, what is empty or no number last either way."""
    _, data = _read(path)
    if column < 0:
        return list(range(len(data)))
    keys = [_key(row[column] if column < len(row) else None) for row in data]
    there = [index for index, key in enumerate(keys) if key[0] < 2]
    return sorted(there, key=keys.__getitem__, reverse=down) + [i for i, key in enumerate(keys) if key[0] == 2]


def _key(cell: Any) -> tuple[int, float, str]:
    if isinstance(cell, int | float) and math.isfinite(as_float(cell)):
        return 0, float(cell), ""
    if cell is None or isinstance(cell, int | float):
        return 2, 0.0, ""
    return 1, 0.0, cell if isinstance(cell, str) else json.dumps(cell, sort_keys=True)


def _cell(cell: Any) -> Any:
    """A cell as JSON without NaN: those are words; a medium in a table is told by its file."""
    if isinstance(cell, float) and not math.isfinite(cell):
        return str(cell)
    if isinstance(cell, dict) and isinstance(cell.get("path"), str):
        return cell["path"]
    if isinstance(cell, dict | list):
        return json.dumps(cell, ensure_ascii=False)[:1000]
    return cell[:1000] if isinstance(cell, str) else sendable(cell)
