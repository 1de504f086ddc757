"""Rows as columns: the quick reader and the slow one say the same, of whatever clients log."""

import json
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.tracking.mirror.rows import _slowly, table_of
from framework.tracking.mirror.store import in_order, joined


def read(*runs: tuple[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    table = table_of(
        [(name, len(rows), b"".join(json.dumps(row).encode() + b"\n" for row in rows)) for name, rows in runs]
    )
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def test_each_row_is_named_and_lacking_keys_are_null() -> None:
    rows = read(("a", [{"x": 1}, {"x": 2, "y": "t"}]), ("empty", []), ("b", [{"y": "u"}]))
    assert rows == [
        {"run_id": "a", "x": 1, "y": None},
        {"run_id": "a", "x": 2, "y": "t"},
        {"run_id": "b", "x": None, "y": "u"},
    ]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_a_word_for_a_number_is_the_number(word: str) -> None:
    for rows in ([{"x": word}], [{"x": 1.5}, {"x": word}]):
        value = read(("a", rows))[-1]["x"]
        assert value == float(word) or (math.isnan(value) and word == "NaN")
    assert read(("a", [{"x": "NaN but text"}, {"x": word}]))[1]["x"] == word


def test_nan_as_python_writes_it() -> None:
    assert math.isnan(read(("a", [{"x": float("nan")}, {"x": 1}]))[0]["x"])


def test_sections_are_dotted_and_media_are_told() -> None:
    (row,) = read(("a", [{"n": {"a": 1, "b": {"c": 2}}, "im": {"_type": "image-file", "path": "p"}, "none": {}}]))
    assert (row["n.a"], row["n.b.c"], row["none"]) == (1, 2, "{}")
    assert json.loads(row["im"]) == {"_type": "image-file", "path": "p"}


def test_texts_that_look_like_times_stay_texts() -> None:
    assert read(("a", [{"x": "2024-01-01"}, {"x": "2024-01-02T03:04:05Z"}]))[0]["x"] == "2024-01-01"


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, "a"], ["1", "a"]), ([True, 2], [1.0, 2.0]), ([10**30, 1], [1e30, 1.0]), ([[1], None], [[1], None]),
     ([[1, 2], ["a"]], ["[1, 2]", '["a"]']), ([None, None], [None, None])],
)  # fmt: skip
def test_keys_of_several_kinds(values: list[Any], expected: list[Any]) -> None:
    assert [row["x"] for row in read(("a", [{"x": value, "y": 1} for value in values]))] == expected


def test_a_key_called_like_the_column_of_runs() -> None:
    assert read(("a", [{"run_id": 7}])) == [{"run_id": "a", "table.run_id": 7}]


PLAIN = st.one_of(
    st.none(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False, width=32), st.text()
)
ROWS = st.lists(st.dictionaries(st.sampled_from(["x", "y", "a b", "ü", "_step"]), PLAIN), max_size=6)


@settings(max_examples=200, deadline=None)
@given(ROWS)
def test_both_readers_say_the_same(rows: list[dict[str, Any]]) -> None:
    body = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    quick = [{key: v for key, v in row.items() if key != "run_id"} for row in read(("a", rows))]
    slow = _slowly(body).to_pylist() if any(rows) else [{} for _ in rows]
    for one, other in zip(quick, slow, strict=True):
        assert {k: v for k, v in one.items() if v is not None} == {k: v for k, v in other.items() if v is not None}


def test_tables_of_other_kinds_are_joined() -> None:
    one = pa.table({"x": [1, 2], "y": ["a", "b"]})
    other = pa.table({"x": ["t"], "z": [0.5]})
    assert joined([one, other]) is not None
    assert joined([one, other]).to_pylist()[2] == {"x": "t", "y": None, "z": 0.5}  # type: ignore[union-attr]
    assert joined([one, other]).column("x").to_pylist() == ["1", "2", "t"]  # type: ignore[union-attr]


def test_rows_stand_in_the_order_of_runs() -> None:
    table = pa.table({"run_id": ["b", "a", "b", "c"], "x": [1, 2, 3, 4]})
    assert in_order(table, ["c", "a", "b"]).column("x").to_pylist() == [4, 2, 1, 3]  # type: ignore[union-attr]
