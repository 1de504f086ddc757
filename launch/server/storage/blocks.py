"""Blocks of a curve: what some rows of a history say of one key, in a few numbers. Knows no database.

A block of level 0 covers `BLOCK` lines, one of each further level `FAN` of those below, by the numbers of the
lines: it never changes once all of them are there. As in the peak files of audio editors, what is drawn of many
rows is the lowest and the highest value of each stretch, so that no spike is lost.
"""

import math
from collections.abc import Iterable, Iterator, KeysView, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

BLOCK, FAN, LEVELS = 128, 8, 16
"""Lines of a block of level 0, blocks in one of the next level, and levels: as many as lines can fill."""
DEEPEST = 4
"""How deep dictionaries in a row are looked into: `{"a": {"b": 1}}` is the key `a.b`, as W&B names it."""


class Block(NamedTuple):
    """Rows of one key: first and last step, and of `number` finite values the lowest, highest, mean and last.

    `odd` values are NaN, infinite or no float64. Where all are (`number` is 0) the values are 0.
    """

    first: int
    last_step: int
    low: float
    high: float
    mean: float
    last: float
    number: int
    odd: int


Row = tuple[int, int | None, Mapping[str, Any]]
"""The number of a line, its step and what it holds."""
Columns = dict[str, tuple[Sequence[int], Sequence[float]]]
NUMBERS = frozenset({int, float})
TOLD_OTHERWISE = frozenset({"_step", "_timestamp"})
"""Keys without a curve: the step is in every block, and `_runtime` tells the time."""


def size_of(level: int) -> int:
    """Lines that a block of a level covers."""
    return BLOCK * int(FAN**level)


def columns(rows: Sequence[Row]) -> tuple[Columns, list[tuple[str, int, int]]]:
    """Numbers by key (steps and values, in the order of the lines), and where media are: key, line, step.

    Rows without a step are on no curve. Booleans are no numbers.
    """
    steps = [row[1] for row in rows]
    if None in steps:
        rows = [row for row in rows if row[1] is not None]
        steps = [row[1] for row in rows]
    if not rows:
        return {}, []
    told = [row[2] for row in rows]
    names = told[0].keys()
    found: Columns = {}
    media: list[tuple[str, int, int]] = []
    table = _table(names, told)
    if table is None:
        _slow(rows, found, media)
        return found, media
    for name, values in zip(names, table, strict=True):
        if name in TOLD_OTHERWISE:
            continue
        if NUMBERS.issuperset(map(type, values)):
            found[name] = (steps, values)  # type: ignore[assignment]
        else:
            alone = [(line, step, {name: value}) for (line, step, _), value in zip(rows, values, strict=True)]
            _slow(alone, found, media)
    return found, media


def _table(names: KeysView[str], told: Sequence[Mapping[str, Any]]) -> Iterable[Sequence[Any]] | None:
    """The values of each key, where all rows have the same keys, as they mostly do."""
    if not names or set(map(len, told)) != {len(names)}:
        return None
    try:
        if len(names) == 1:
            [name] = names
            return [[row[name] for row in told]]
        return zip(*map(itemgetter(*names), told), strict=True)
    except KeyError:
        return None


def _slow(rows: Iterable[Row], found: Columns, media: list[tuple[str, int, int]]) -> None:
    """The same, value by value, for rows of different keys and for keys of different values."""
    several: dict[str, tuple[list[int], list[float]]] = {}
    for line, step, row in rows:
        for key, value in row.items():
            if step is None or key in TOLD_OTHERWISE:
                continue
            if type(value) in NUMBERS:
                _add(several, key, step, value)
            elif isinstance(value, dict) and "_type" in value:
                media.append((key, line, step))
            elif isinstance(value, dict):
                for name, number in _inside(key, value):
                    _add(several, name, step, number)
    for key, (steps, values) in several.items():  # `a.b` may stand beside `{"a": {"b": …}}`
        before = found.get(key, ((), ()))
        found[key] = ([*before[0], *steps], [*before[1], *values])


def _add(several: dict[str, tuple[list[int], list[float]]], key: str, step: int, value: float) -> None:
    column = several.get(key)
    if column is None:
        column = several[key] = ([], [])
    column[0].append(step)
    column[1].append(value)


def _inside(key: str, value: Mapping[str, Any], depth: int = 1) -> Iterator[tuple[str, float]]:
    for name, item in value.items():
        kind = type(item)
        if kind is float or kind is int:
            yield f"{key}.{name}", item
        elif kind is dict and depth < DEEPEST:
            yield from _inside(f"{key}.{name}", item, depth + 1)


def block_of(steps: Sequence[int], values: Sequence[float], ends: tuple[int, int] | None = None) -> Block:
    """The block of some values; `ends` are the lowest and the highest step, where they are known."""
    first, last = ends or (min(steps), max(steps))
    try:
        total = sum(values)
        if math.isfinite(total):
            low, high = float(min(values)), float(max(values))
            return Block(first, last, low, high, total / len(values), float(values[-1]), len(values), 0)
    except (OverflowError, ValueError):  # an integer, or a sum, beyond all floats; infinities of both signs
        pass
    good = [number for value in values if math.isfinite(number := as_float(value))]
    odd = len(values) - len(good)
    if not good:
        return Block(first, last, 0.0, 0.0, 0.0, 0.0, 0, odd)
    return Block(first, last, min(good), max(good), _mean(good, [1] * len(good)), good[-1], len(good), odd)


def of_values(steps: Sequence[int], values: Sequence[float], most: int) -> list[Block]:
    """At most `most` blocks of some values, each of about as many."""
    cuts = _cuts(len(values), min(most, len(values)))
    return [block_of(steps[start:stop], values[start:stop]) for start, stop in pairwise(cuts)]


def as_float(value: float) -> float:
    """A number of JSON as a float64; infinite where it is beyond all of them."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def merged(blocks: Sequence[Block]) -> Block:
    """Several blocks, in the order of their lines, as one."""
    good = [block for block in blocks if block.number]
    first, last = min(block.first for block in blocks), max(block.last_step for block in blocks)
    odd = sum(block.odd for block in blocks)
    if not good:
        return Block(first, last, 0.0, 0.0, 0.0, 0.0, 0, odd)
    counts = [block.number for block in good]
    mean = _mean([block.mean for block in good], counts)
    low, high = min(block.low for block in good), max(block.high for block in good)
    return Block(first, last, low, high, mean, good[-1].last, sum(counts), odd)


def _mean(values: Sequence[float], counts: Sequence[int]) -> float:
    """The weighted mean of finite values, though their sum need not be finite."""
    total = sum(counts)
    return math.fsum(value * (count / total) for value, count in zip(values, counts, strict=True))


def thinned(blocks: Sequence[Block], most: int) -> Sequence[Block]:
    """At most `most` blocks: neighbours merged, all of them about as many."""
    if len(blocks) <= most:
        return blocks
    cuts = _cuts(len(blocks), most)
    return [merged(blocks[start:stop]) for start, stop in pairwise(cuts)]


def _cuts(count: int, parts: int) -> list[int]:
    return [index * count // parts for index in range(parts + 1)] if parts else []
