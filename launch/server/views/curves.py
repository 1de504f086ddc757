"""Curves of a run, from its pyramid; and its system metrics, of which some lines are read, evenly spread."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from launch.server.request import Request
from launch.server.storage import lines
from launch.server.storage.blocks import Block, as_float
from launch.server.storage.curves import FIRST, LAST
from launch.server.views.parts import every, whole
from launch.server.views.places import run_of
from launch.server.wire import object_in

MOST_KEYS, POINTS, MOST_POINTS = 64, 400, 4_000
BUILD_S = 0.25
"""How long a view folds what is not folded yet before it says how far that is; the page asks again."""


def curves(request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """Curves of some keys between two steps: `{"keys": {key: {"x", "low", "high", "mean"}}}`, or `building`."""
    with request.aside(writes=False) as look:
        run_id = run_of(look, parts)["id"]
    share = built(request, [run_id])
    if share < 1.0:
        return {"building": share}
    first, last = whole(parts, "from", FIRST, FIRST, LAST), whole(parts, "to", LAST, FIRST, LAST)
    points = whole(parts, "points", POINTS, 1, MOST_POINTS)
    found = request.tables.curves.read(run_id, every(parts, "key")[:MOST_KEYS], first, last, points)
    return {"keys": {key: drawn(blocks) for key, blocks in found.items()}}


def built(request: Request, run_ids: Sequence[int]) -> float:
    """Fold what is left of runs from before there was a pyramid, for a moment; what part is folded then.

    To be called before the request looks at the database: each slice is a transaction of its own.
    """
    end = time.monotonic() + BUILD_S
    shares = []
    for run_id in run_ids:
        with request.aside(writes=False) as look:
            share = look.tables.curves.behind(run_id)
        while share < 1.0 and time.monotonic() < end:
            with request.aside(writes=True) as other:
                other.tables.curves.catch_up(run_id)
                share = other.tables.curves.behind(run_id)
        shares.append(share)
    return sum(shares) / len(shares) if shares else 1.0


def drawn(blocks: Iterable[Block]) -> dict[str, list[Any]]:
    """Blocks as columns. Where there is no finite value, there is none."""
    some = [(block.number > 0, block) for block in blocks]
    return {
        "x": [(block.first + block.last_step) // 2 for _, block in some],
        "low": [short(block.low) if good else None for good, block in some],
        "high": [short(block.high) if good else None for good, block in some],
        "mean": [short(block.mean) if good else None for good, block in some],
    }


def short(value: float) -> float:
    """A value to seven digits: more than any screen shows."""
    return float(f"{value:.7g}")


def system(request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """The system metrics over the seconds of the run."""
    run = run_of(request, parts)
    points = whole(parts, "points", POINTS, 2, MOST_POINTS)
    rows = [object_in(text) for text in request.tables.lines.spread(run["id"], lines.EVENTS, points)]
    keys = sorted({key for row in rows for key, value in row.items() if key[:1] != "_" and _is_number(value)})
    x = [row.get("_runtime", row.get("_timestamp")) for row in rows]
    return {
        "x": [value if _is_number(value) else None for value in x],
        "keys": {key: [row.get(key) if _is_number(row.get(key)) else None for row in rows] for key in keys},
    }


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(as_float(value))
