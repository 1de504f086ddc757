"""The points of a grid, as they are stored with its sweep and change with its definition.

Some at a time, each lot in a transaction of its own: meanwhile nobody else writes.
"""

import sqlite3
from collections.abc import Iterator, Sequence

from framework.definition import Definition
from launch.server.errors import CONFLICT, ApiError
from launch.server.limits import MAX_SWEEP
from launch.server.request import Request
from launch.server.storage import sweeps
from launch.server.wire import dumps

AT_ONCE = 1_000
"""Points that one transaction stores or forgets."""


def size_of(definition: Definition) -> int:
    """About how many bytes all points of a grid have, each written out.

    Raises:
        ApiError: more than one sweep may have.
    """
    each = sum(
        len(dumps(name)) + 2 + sum(len(dumps(value)) for value in values) / len(values)
        for name, values in definition.axes().items()
    )
    size = int((definition.size() or 0) * (1 + each))
    if size > MAX_SWEEP:
        raise ApiError(
            f"the points of this sweep have {size:,} bytes, written out; at most {MAX_SWEEP:,} are taken"
        )
    return size


def store(request: Request, key: int, points: Sequence[str], first: int) -> None:
    """Store points of the sweep with this id, from number `first` on."""
    for start in range(0, len(points), AT_ONCE):
        some = points[start : start + AT_ONCE]
        with request.aside(writes=True) as turn:
            turn.tables.points.add(key, some, first + start)
            turn.tables.usage.add_points(key, sum(map(len, some)))


def replace(request: Request, row: sqlite3.Row, definition: Definition) -> None:
    """Have a grid hand out the points of another definition. One that breaks off can be done once more.

    Points that are new are added after the others. Of those that are gone, the ones that nobody has taken are
    forgotten; what was worked on stays as it is.

    Raises:
        ApiError: the sweep was cancelled, or the new points are more than one sweep, or its project, may have.
    """
    if row["state"] == sweeps.CANCELED:
        raise ApiError("this sweep was cancelled; make a new one", CONFLICT)
    size_of(definition)
    wanted = dict.fromkeys(dumps(point) for point in definition.points())
    with request.aside(writes=False) as look:
        there = {point["args"]: point["idx"] for point in look.tables.points.planned(row["id"])}
        first = look.tables.points.drawn(row["id"])
        look.must_have_room(row["project_id"], sum(len(args) for args in wanted if args not in there))
    gone = [index for args, index in there.items() if args not in wanted]
    for some in _lots(gone):
        with request.aside(writes=True) as turn:
            turn.tables.points.withdraw(row["id"], some)
    store(request, row["id"], [args for args in wanted if args not in there], first)


def _lots(indices: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(indices), AT_ONCE):
        yield indices[start : start + AT_ONCE]
