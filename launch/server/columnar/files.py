"""Columns as Parquet files, in the encodings that take least, and exactly.

Floats that are float32, as what networks log mostly is, are stored as such (BYTE_STREAM_SPLIT); values that recur
by a dictionary; whole numbers and the client's times, in nanoseconds, by their differences (DELTA_BINARY_PACKED);
then Zstandard. A file has groups of rows, which are read one by one; its own metadata say which lines are where.
Any reader of Parquet can open it: the names of columns are the keys.
"""

import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from launch.server.columnar.columns import EXACT, NO_STEP, Column, Columns, Values, Wholes

META = b"sashiko"
GROUP = 4_096
"""Lines of a group: what is read to see one of them."""
TIMES = ("_timestamp", "_runtime")
"""Keys that the client gives in seconds."""
BILLION = 1_000_000_000
FEW = 8
"""So many times as many values as different ones make a dictionary worth it."""


class Group(NamedTuple):
    """Lines that are read together: the first and the last number, the lowest and the highest step, if any."""

    first: int
    last: int
    low: int | None
    high: int | None


def written(columns: Columns) -> bytes:
    """A Parquet file of some lines."""
    names = _names(columns)
    arrays: dict[str, pa.Array] = {names["line"]: pa.array(columns.lines), names["step"]: _steps(columns.steps)}
    encodings = dict.fromkeys(arrays, "DELTA_BINARY_PACKED")
    dictionaries: list[str] = []
    nanoseconds: list[str] = []
    summed: list[str] = []
    for key, column in columns.numbers.items():
        values, encoding = _stored(key, column)
        if key in TIMES and values.dtype == np.int64 and column.values.dtype == np.float64:
            nanoseconds.append(key)
            if _bits(_seconds(values.astype(np.int64), summed=True)) == _bits(column.values):
                summed.append(key)
        arrays[key] = pa.array(values, mask=None if column.there is None else ~column.there)
        if encoding:
            encodings[key] = encoding
        else:
            dictionaries.append(key)
    for name, texts in (("rest", columns.rest), ("text", columns.texts)):
        if texts is not None:
            arrays[names[name]] = pa.array([_bytes(text) for text in texts], pa.binary())
            encodings[names[name]] = "PLAIN"
    told = {
        "version": 1,
        **{name: names[name] for name in ("line", "step")},
        **{name: names[name] for name in ("rest", "text") if names[name] in arrays},
        "whole": [key for key, column in columns.numbers.items() if column.whole],
        "nanoseconds": nanoseconds,
        "summed": summed,
        "groups": list(_groups(columns)),
    }
    table = pa.table(arrays)
    target = io.BytesIO()
    with parquet.ParquetWriter(
        target,
        table.schema,
        compression="zstd",
        use_dictionary=dictionaries,
        column_encoding=encodings,
        write_statistics=False,
        store_schema=False,
        write_page_checksum=True,
    ) as writer:
        writer.write_table(table, row_group_size=GROUP)
        writer.add_key_value_metadata({META: json.dumps(told, separators=(",", ":"))})
    return target.getvalue()


def of_bytes(body: bytes) -> Columns:
    """All lines of such a file."""
    file = ColumnFile(pa.BufferReader(body))
    return file.read(range(len(file.groups)))


class ColumnFile:
    """A file that `written` made.

    Raises:
        OSError: it is not there, or is no such file.
    """

    def __init__(self, path: Path | pa.BufferReader) -> None:
        self._path = path
        try:
            self._file = parquet.ParquetFile(path, page_checksum_verification=True)
            self._told: Mapping[str, Any] = json.loads((self._file.metadata.metadata or {})[META])
            self.groups = [Group(*group) for group in self._told["groups"]]
        except (pa.ArrowException, KeyError, ValueError, TypeError) as error:
            raise OSError(f"{path} is no file of rows: {error}") from error

    def keys(self) -> list[str]:
        """The keys that have a column."""
        special = {self._told.get(name) for name in ("line", "step", "rest", "text")}
        return [name for name in self._file.schema_arrow.names if name not in special]

    def read(self, groups: Sequence[int], keys: Collection[str] | None = None) -> Columns:
        """The lines of some groups; of the keys only these (None: all).

        Raises:
            OSError: the file is damaged.
        """
        chosen = [key for key in self.keys() if keys is None or key in keys]
        special = [str(self._told[name]) for name in ("line", "step", "rest", "text") if name in self._told]
        try:
            table = self._file.read_row_groups(list(groups), columns=[*special, *chosen])
        except pa.ArrowException as error:
            raise OSError(f"{self._path} is damaged: {error}") from error
        numbers = {key: self._column(table, key) for key in chosen}
        return Columns(
            _whole(table[self._told["line"]]),
            _whole(table[self._told["step"]].fill_null(NO_STEP)),
            {key: column for key, column in numbers.items() if column is not None},
            self._texts(table, "rest"),
            self._texts(table, "text"),
        )

    def _column(self, table: pa.Table, key: str) -> Column | None:
        told = table[key].combine_chunks()
        there = None if not told.null_count else ~told.is_null().to_numpy(zero_copy_only=False)
        if there is not None:
            if not there.any():
                return None
            told = told.fill_null(0)
        values: Values = told.to_numpy(zero_copy_only=False)
        if key in self._told["nanoseconds"]:
            values = _seconds(values.astype(np.int64), summed=key in self._told["summed"])
        elif values.dtype == np.float32:
            values = values.astype(np.float64)
        return Column(values, there, key in self._told["whole"])

    def _texts(self, table: pa.Table, name: str) -> list[str | None] | None:
        if name not in self._told:
            return None
        told = table[self._told[name]].to_pylist()
        return [None if text is None else text.decode(errors="surrogatepass") for text in told]


def _names(columns: Columns) -> dict[str, str]:
    """What the columns that are no keys are called: another name where a key has theirs."""
    names = {}
    for name in ("line", "step", "rest", "text"):
        names[name] = name
        while names[name] in columns.numbers:
            names[name] += "_"
    return names


def _stored(key: str, column: Column) -> tuple[Values | NDArray[np.float32], str | None]:
    """The values as they are stored, and their encoding; None for a dictionary."""
    values = column.values
    if values.dtype == np.int64:
        return values, "DELTA_BINARY_PACKED"
    if key in TIMES and (exact := _nanoseconds(values)) is not None:
        return exact, "DELTA_BINARY_PACKED"
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    stored = narrow if np.array_equal(narrow.astype(np.float64), values) else values
    if len(np.unique(values)) * FEW <= len(values):
        return stored, None
    return stored, "BYTE_STREAM_SPLIT"


def _nanoseconds(values: Values) -> Wholes | None:
    """Seconds in whole nanoseconds, if these say them exactly."""
    if not (np.abs(values) < 2**32).all():
        return None
    seconds = np.floor(values)
    parts: Wholes = seconds.astype(np.int64) * BILLION + np.rint((values - seconds) * 1e9).astype(np.int64)
    if _bits(_seconds(parts, summed=True)) == _bits(values):
        return parts
    small: Wholes = np.where(np.abs(values) < EXACT / 1e9, np.rint(values * 1e9).astype(np.int64), parts)
    return small if _bits(_seconds(small, summed=False)) == _bits(values) else None


def _seconds(nanoseconds: Wholes, *, summed: bool) -> NDArray[np.float64]:
    """Seconds as the client's programs make them of nanoseconds.

    `summed`: whole seconds and a fraction, added as float64s, as Go does. Else the nearest float64, as what was
    rounded to nine digits is; of so many nanoseconds that they are no float64 themselves the sum again.
    """
    parts: NDArray[np.float64] = nanoseconds // BILLION + (nanoseconds % BILLION) / 1e9
    return parts if summed else np.where(np.abs(nanoseconds) < EXACT, nanoseconds / 1e9, parts)


def _bits(values: Values) -> bytes:
    return values.tobytes()


def _steps(steps: Wholes) -> pa.Array:
    none = steps == NO_STEP
    return pa.array(np.where(none, 0, steps), mask=none if none.any() else None)


def _groups(columns: Columns) -> Iterator[Group]:
    for start in range(0, len(columns), GROUP):
        lines = columns.lines[start : start + GROUP]
        steps = columns.steps[start : start + GROUP]
        steps = steps[steps != NO_STEP]
        ends = (int(steps.min()), int(steps.max())) if len(steps) else (None, None)
        yield Group(int(lines[0]), int(lines[-1]), *ends)


def _whole(told: pa.ChunkedArray) -> Wholes:
    values: Wholes = told.combine_chunks().to_numpy(zero_copy_only=False).astype(np.int64)
    return values


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode(errors="surrogatepass")
