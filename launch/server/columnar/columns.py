"""Lines as columns: numbers by key, all else as text beside them, so that each line comes back as it was.

Of a line that holds a JSON object the finite numbers at its first level become values of columns, and what
remains of the object is its `rest`. A line that would not come back so, or is no object, is kept as its `text`.
"As it was" means: the same value of JSON, whole numbers whole; the order of its keys is not kept, which the client
shuffles.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from launch.server.columnar.line import Line
from launch.server.storage.blocks import Row
from launch.server.storage.blocks import columns as curves_of

Wholes = NDArray[np.int64]
Values = NDArray[np.int64] | NDArray[np.float64]
EXACT = 2**53
"""Whole numbers up to which each is a float64 of its own."""
SMALLEST, LARGEST = -(2**63), 2**63 - 1
MOST_COLUMNS, FEWEST = 512, 4
"""Keys that have a column, those first that are in most lines; and lines that such a key has to be in."""


@dataclass(frozen=True)
class Column:
    """The numbers of one key: n values, and which of them (n booleans) are there; None: all.

    `whole`: of the floats those without a fraction are told as whole numbers, as Go does.
    """

    values: Values
    there: NDArray[np.bool_] | None = None
    whole: bool = False

    def told(self) -> list[Any]:
        """The values as Python's numbers, None where there is none."""
        values: list[Any] = self.values.tolist()
        if self.whole:
            for place in np.flatnonzero(self.values == np.floor(self.values)):
                values[place] = int(values[place])
        if self.there is not None:
            for place in np.flatnonzero(~self.there):
                values[place] = None
        return values


@dataclass(frozen=True)
class Columns:
    """n lines: their numbers, their steps (`NO_STEP` for none), numbers by key, and what is told as text."""

    lines: Wholes
    steps: Wholes
    numbers: Mapping[str, Column] = field(default_factory=dict)
    rest: Sequence[str | None] | None = None
    texts: Sequence[str | None] | None = None

    def __len__(self) -> int:
        return len(self.lines)


NO_STEP = SMALLEST
"""What stands for the step of a line without one."""


def steps_of(columns: Columns) -> list[int | None]:
    """The step of each line."""
    return [None if step == NO_STEP else step for step in columns.steps.tolist()]


def of_lines(lines: Sequence[Line], *, json_rows: bool) -> Columns:
    """Lines as columns. `json_rows`: each is a JSON object, or should be; else they are texts."""
    numbers = np.array([line.line for line in lines], dtype=np.int64)
    steps = np.array([NO_STEP if line.step is None else line.step for line in lines], dtype=np.int64)
    if not json_rows:
        return Columns(numbers, steps, texts=[line.text for line in lines])
    before = [object_or_none(line.text) for line in lines]
    found, rest = _split(before)
    told = Columns(numbers, steps, found, rest)
    texts: list[str | None] = [None] * len(lines)
    for place, (was, now) in enumerate(zip(before, _objects(told), strict=True)):
        if was is None or not _same(was, now):
            texts[place] = lines[place].text
    if not any(text is not None for text in texts):
        return told
    left = np.array([text is None for text in texts])
    cut = {
        key: Column(it.values, left if it.there is None else it.there & left, it.whole)
        for key, it in found.items()
    }
    kept = (
        None if rest is None else [None if texts[place] is not None else text for place, text in enumerate(rest)]
    )
    return Columns(numbers, steps, {key: it for key, it in cut.items() if _any(it)}, kept, texts)


def texts_of(columns: Columns) -> list[str]:
    """The text of each line: as it was, or of the same value."""
    if columns.texts is None:
        return [_dumped(told) for told in _objects(columns)]
    if None not in columns.texts:
        return [text or "" for text in columns.texts]
    told = zip(columns.texts, _objects(columns), strict=True)
    return [_dumped(row) if text is None else text for text, row in told]


def rows_of(columns: Columns) -> list[Row]:
    """The lines that hold an object, with their numbers and steps."""
    told = _objects(columns)
    texts = columns.texts or [None] * len(columns)
    found = [row if text is None else object_or_none(text) for text, row in zip(texts, told, strict=True)]
    numbered = zip(columns.lines.tolist(), steps_of(columns), found, strict=True)
    return [(line, step, row) for line, step, row in numbered if row is not None]


def media_of(columns: Columns) -> list[tuple[str, int, int]]:
    """Where media are in the lines: key, line, step."""
    odd = [None] * len(columns) if columns.rest is None else columns.rest
    texts = [None] * len(columns) if columns.texts is None else columns.texts
    places = [place for place, both in enumerate(zip(odd, texts, strict=True)) if both != (None, None)]
    lines, steps = columns.lines.tolist(), steps_of(columns)
    rows: list[Row] = []
    for place in places:
        row = object_or_none(odd[place] or texts[place] or "")
        if row is not None:
            rows.append((lines[place], steps[place], row))
    return curves_of(rows)[1]


def same(one: Columns, other: Columns) -> bool:
    """Whether columns hold the same, to the last bit."""
    if one.numbers.keys() != other.numbers.keys() or (one.rest, one.texts) != (other.rest, other.texts):
        return False
    if not (np.array_equal(one.lines, other.lines) and np.array_equal(one.steps, other.steps)):
        return False
    return all(_bits(column) == _bits(other.numbers[key]) for key, column in one.numbers.items())


def _bits(column: Column) -> tuple[object, ...]:
    if column.there is None:
        return column.values.dtype, column.whole, None, column.values.tobytes()
    return column.values.dtype, column.whole, column.there.tobytes(), column.values[column.there].tobytes()


def _objects(columns: Columns) -> Iterator[dict[str, Any]]:
    """What each line holds, as far as it is not kept as a text."""
    names = list(columns.numbers)
    values = [column.told() for column in columns.numbers.values()]
    full = all(column.there is None for column in columns.numbers.values())
    table = zip(*values, strict=True) if values else iter([()] * len(columns))
    rest = columns.rest or [None] * len(columns)
    for row, more in zip(table, rest, strict=True):
        told = dict(zip(names, row, strict=True))
        if not full:
            told = {key: value for key, value in told.items() if value is not None}
        if more is not None:
            told.update(json.loads(more))
        yield told


def _split(rows: Sequence[dict[str, Any] | None]) -> tuple[dict[str, Column], list[str | None] | None]:
    """The numbers of rows as columns, and the rest of each as JSON; None if nothing remains of any."""
    counts = Counter(key for row in rows if row is not None for key in row)
    columns = {key for key, count in counts.most_common(MOST_COLUMNS) if count >= min(len(rows), FEWEST)}
    found: dict[str, Column] = {}
    odd: dict[int, dict[str, Any]] = {}
    for key in counts:
        values = [_MISSING if row is None else row.get(key, _MISSING) for row in rows]
        column = _column(values) if key in columns and named(key) else None
        if column is not None:
            found[key] = column
        there = None if column is None else column.there
        if column is None or there is not None:
            for place, value in enumerate(values):
                if value is not _MISSING and not (there is not None and there[place]):
                    odd.setdefault(place, {})[key] = value
    return found, [_dumped(odd[place]) if place in odd else None for place in range(len(rows))] if odd else None


_MISSING = object()


def _column(values: Sequence[Any]) -> Column | None:
    """Values as a column of those that are numbers; None if none is, or if whole ones and others are mixed up."""
    kinds = set(map(type, values))
    if kinds in ({int}, {float}):
        good, there = list(values), None
    else:
        flags = [type(value) in (int, float) for value in values]
        good = [value for value, flag in zip(values, flags, strict=True) if flag]
        there = np.array(flags)
        kinds = set(map(type, good))
    if not good:
        return None
    if kinds == {int}:
        if not SMALLEST <= min(good) <= max(good) <= LARGEST:
            return None
        return Column(_spread(np.array(good, dtype=np.int64), there), there)
    if int in kinds and any(type(value) is int and not -EXACT <= value <= EXACT for value in good):
        return None
    array = np.array(good, dtype=np.float64)
    finite = np.isfinite(array)
    if not finite.all():
        there = np.ones(len(values), dtype=bool) if there is None else there
        there[np.flatnonzero(there)[~finite]] = False
        array = array[finite]
    if there is not None and there.all():
        there = None
    return Column(_spread(array, there), there, int in kinds) if len(array) else None


def _spread(good: Values, there: NDArray[np.bool_] | None) -> Values:
    """Values at their places; where there is none, the one before it, which costs least."""
    if there is None:
        return good
    before: Values = good[np.maximum(np.cumsum(there) - 1, 0)]
    return before


def named(key: str) -> bool:
    """Whether a key can be the name of a column: a text, without what ends one in C."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return bool(key) and "\0" not in key


def _any(column: Column) -> bool:
    return column.there is None or bool(column.there.any())


def object_or_none(text: str) -> dict[str, Any] | None:
    """What a line holds, as Python's own reader tells it, which keeps whole numbers whole; None if no object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two objects hold the same values; 1 and 1.0 are not, nor are 0.0 and -0.0."""
    if one.keys() != other.keys():
        return False
    for key, value in one.items():
        told, kind = other[key], type(value)
        if kind is not type(told):
            return False
        if kind is float or kind not in _PLAIN:
            if repr(value) != repr(told) and json.dumps(value, sort_keys=True) != json.dumps(told, sort_keys=True):
                return False
        elif value != told:
            return False
    return True


_PLAIN = frozenset({int, str, bool, type(None)})


def _dumped(row: dict[str, Any]) -> str:
    """JSON as the client writes it; NaN, which only Python's writer tells, among it."""
    if all(type(value) is not float or math.isfinite(value) for value in row.values()):
        try:
            text = orjson.dumps(row).decode()
        except (TypeError, ValueError):  # a whole number beyond 64 bits, half a surrogate pair
            pass
        else:
            if "null" not in text:  # what orjson makes of a NaN within a list
                return text
    return json.dumps(row, separators=(",", ":"))
