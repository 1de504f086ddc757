"""Lines out of column files; what was read last is kept, since pages of a history lie beside each other.

Files never change: one of another content has another name. This module knows no database.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from launch.server.columnar.columns import NO_STEP, Columns, object_or_none, rows_of, steps_of, texts_of
from launch.server.columnar.files import ColumnFile, Group
from launch.server.columnar.line import Line
from launch.server.storage.blocks import TOLD_OTHERWISE
from launch.server.storage.blocks import columns as columns_of

KEPT_GROUPS, KEPT_FILES = 16, 1_024


@lru_cache(maxsize=KEPT_FILES)
def groups(path: Path) -> Sequence[Group]:
    """Which lines are in which group of a file."""
    return ColumnFile(path).groups


@lru_cache(maxsize=KEPT_GROUPS)
def lines_of(path: Path, group: int) -> Sequence[Line]:
    """The lines of a group."""
    columns = ColumnFile(path).read([group])
    return [*map(Line, columns.lines.tolist(), steps_of(columns), texts_of(columns))]


def from_line(path: Path, start: int) -> Iterator[Line]:
    """The lines of a file from one on."""
    for index, group in enumerate(groups(path)):
        if group.last >= start:
            yield from (line for line in lines_of(path, index) if line.line >= start)


def to_line(path: Path) -> Iterator[Line]:
    """The lines of a file, the last one first."""
    for index in range(len(groups(path)) - 1, -1, -1):
        yield from reversed(lines_of(path, index))


def between(path: Path, first: int, last: int) -> Iterator[Line]:
    """The lines of a file whose steps are between two, both among them."""
    for index, group in enumerate(groups(path)):
        if group.low is not None and group.high is not None and group.low <= last and group.high >= first:
            found = lines_of(path, index)
            yield from (line for line in found if line.step is not None and first <= line.step <= last)


def curves(
    path: Path, keys: Collection[str], first: int, last: int
) -> Iterator[tuple[str, list[int], list[float]]]:
    """Numbers of some keys between two steps: the key, steps and values of each group, in the order of lines."""
    chosen = [
        index
        for index, group in enumerate(groups(path))
        if group.low is not None and group.high is not None and group.low <= last and group.high >= first
    ]
    if chosen:
        yield from _curves(ColumnFile(path).read(chosen, keys), keys, first, last)


def _curves(
    columns: Columns, keys: Collection[str], first: int, last: int
) -> Iterator[tuple[str, list[int], list[float]]]:
    """As `curves`, of lines that are read. Keys that are told in the rest of some line are read row by row."""
    steps = columns.steps
    inside = (steps >= first) & (steps <= last) & (steps != NO_STEP)
    odd = _odd(columns, keys)
    for key in keys:
        column = columns.numbers.get(key)
        if column is None or key in odd or key in TOLD_OTHERWISE:
            continue
        chosen = inside if column.there is None else inside & column.there
        if chosen.any():
            yield key, steps[chosen].tolist(), column.values[chosen].tolist()
    if odd:
        rows = [row for row in rows_of(columns) if row[1] is not None and first <= row[1] <= last]
        found, _ = columns_of(rows)
        for key in odd & found.keys():
            yield key, list(found[key][0]), list(found[key][1])


def _odd(columns: Columns, keys: Collection[str]) -> set[str]:
    """Those of the keys that are told, or may be, in what is kept of some lines as text."""
    told: set[str] = set()
    for text in {*(columns.rest or ()), *(columns.texts or ())} - {None}:
        row = object_or_none(text or "")
        told.update(row or ())
    return {key for key in keys if any(key == name or key.startswith(f"{name}.") for name in told)}
