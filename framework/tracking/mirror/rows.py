"""Rows as the tracker sends them, JSON objects a line, as columns.

Numbers stay numbers though some of their rows say `"NaN"`, as the client writes what JSON cannot; a section is
its values by dotted name; media and other objects that tell their `_type` are the JSON that tells them. A key that
is a number in some rows and a text in others is text.
"""

import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from framework.tracking.mirror.store import RUN

BLOCK = 4 << 20
WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""How the client writes numbers that JSON has not."""


def table_of(runs: Sequence[tuple[str, int, bytes]]) -> pa.Table:
    """The rows of runs, each its name, how many rows, and the rows; with the column `run_id` in front."""
    body = b"".join(rows for _, _, rows in runs)
    table = _quickly(body, max((len(rows) // max(count, 1) for _, count, rows in runs), default=0))
    if table is None or table.num_rows != sum(count for _, count, _ in runs):
        table = _slowly(body)
    return named(table, [(name, count) for name, count, _ in runs])


def named(table: pa.Table, counts: Sequence[tuple[str, int]]) -> pa.Table:
    """A table with the column `run_id` in front: so many rows of each run. Its own is `table.run_id`."""
    if RUN in table.column_names:
        table = table.rename_columns([f"table.{name}" if name == RUN else name for name in table.column_names])
    codes = np.repeat(np.arange(len(counts), dtype=np.int32), [count for _, count in counts])
    names = pa.DictionaryArray.from_arrays(codes, pa.array([name for name, _ in counts], pa.string()))
    return table.add_column(0, RUN, names) if table.column_names else pa.table({RUN: names})


def _quickly(body: bytes, usual: int) -> pa.Table | None:
    """The rows by Arrow's own reader; None where it cannot read them, or would read more into them than is there.

    `usual`: bytes of a row; a row must lie within two blocks.
    """
    options = pj.ReadOptions(block_size=max(BLOCK, 8 * usual))
    try:
        table = pj.read_json(io.BytesIO(body), read_options=options)
    except pa.ArrowInvalid:  # NaN as such, or a key of several types
        return None
    flat_table = _flat(table)
    return None if any(pa.types.is_temporal(kind) for kind in flat_table.schema.types) else flat_table


def _flat(table: pa.Table) -> pa.Table:
    """The same without structures, and with numbers where texts are only words for numbers."""
    columns: dict[str, Any] = {}
    for name in table.column_names:
        columns |= _parts(name, table[name])
    return pa.table({name: _numbers(column) for name, column in columns.items()})


def _parts(name: str, column: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    if not pa.types.is_struct(column.type):
        return {name: column}
    fields = [column.type.field(index).name for index in range(column.type.num_fields)]
    if "_type" in fields or not fields:
        texts = [None if value is None else json.dumps(_without_none(value)) for value in column.to_pylist()]
        return {name: pa.chunked_array([pa.array(texts, pa.string())])}
    found: dict[str, pa.ChunkedArray] = {}
    for field in fields:
        found |= _parts(f"{name}.{field}", pc.struct_field(column, field))
    return found


def _without_none(value: Any) -> Any:
    """An object as it was sent: what only others of its column have is none of it."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of words for numbers as numbers."""
    if not pa.types.is_string(column.type):
        return column
    words = pc.is_in(column, pa.array(list(WORDS), pa.string()))
    if column.null_count == len(column) or not pc.all(pc.or_(words, pc.is_null(column))).as_py():
        return column
    return pa.chunked_array([pa.array([WORDS.get(value) for value in column.to_pylist()], pa.float64())])


def _slowly(body: bytes) -> pa.Table:
    """The same row by row, whatever the rows are."""
    return columns_of([flat(parse(line)) for line in body.splitlines() if line])


def columns_of(rows: Sequence[Mapping[str, Any]], names: Sequence[str] = ()) -> pa.Table:
    """Rows as columns: those with these `names`, and all others that there are."""
    found = dict.fromkeys([*names, *(name for row in rows for name in row)])
    return pa.table({name: _column([row.get(name) for row in rows]) for name in found})


def parse(text: bytes | str) -> dict[str, Any]:
    """A JSON object; NaN and infinities as Python writes them, too."""
    try:
        found: dict[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = json.loads(text)
    return found


def flat(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of a row by dotted name; objects that tell their `_type` as JSON."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        if not isinstance(value, dict):
            found[f"{prefix}{key}"] = value
        elif "_type" in value or not value:
            found[f"{prefix}{key}"] = json.dumps(value)
        else:
            found |= flat(value, f"{prefix}{key}.")
    return found


def _column(values: list[Any]) -> pa.Array:
    numbers = [number(value) for value in values]
    try:
        return pa.array(numbers)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        pass
    if all(value is None or isinstance(value, int | float) for value in numbers):  # bools among them, or too large
        return pa.array([None if value is None else float(value) for value in numbers], pa.float64())
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pa.array(texts, pa.string())


def number(value: Any) -> Any:
    """A value of a row; the number where it is the client's word for one."""
    return WORDS.get(value, value) if isinstance(value, str) else value
