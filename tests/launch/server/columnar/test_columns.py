"""Lines through columns and files and back: each is what it was."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launch.server.columnar import columns, files, reading
from launch.server.columnar.line import Line

NAME = st.one_of(
    st.sampled_from(
        [
            "loss",
            "_step",
            "_timestamp",
            "_runtime",
            "line",
            "step",
            "rest",
            "text",
            "a.b",
            "",
            "a\0b",
            "\ud800",
            "é",
        ]
    ),
    st.text(max_size=4),
)
NUMBER = st.one_of(
    st.integers(),
    st.floats(),
    st.floats(width=32),
    st.sampled_from([0.0, -0.0, 1, 1.0, True, 2**53 + 1, -(2**63), 2**63, 1795944730.8110993, 5e-324]),
)
VALUE = st.one_of(
    NUMBER,
    NUMBER,
    st.none(),
    st.text(max_size=3),
    st.lists(NUMBER, max_size=2),
    st.dictionaries(NAME, NUMBER, max_size=2),
)
ROW = st.one_of(
    st.fixed_dictionaries({"loss": NUMBER, "_step": st.integers(0, 9)}), st.dictionaries(NAME, VALUE, max_size=4)
)
TEXT = st.one_of(
    ROW.map(json.dumps),
    st.sampled_from(
        ["", "[]", "1", "no JSON", '{"a": 1, "a": 2}', '{"a":1e400}', "\ud800", '{"b":-0}', '{"c":1e2}']
    ),
)


@settings(max_examples=400, deadline=None)
@given(texts=st.lists(TEXT, min_size=1, max_size=12), steps=st.booleans())
def test_lines_come_back_as_they_were(texts: list[str], steps: bool) -> None:
    lines = [Line(n - 3, n if steps and n % 3 else None, text) for n, text in enumerate(texts)]
    told = columns.of_lines(lines, json_rows=True)
    back = files.of_bytes(files.written(told))
    assert columns.same(back, told)
    assert back.lines.tolist() == [line.line for line in lines]
    assert columns.steps_of(back) == [line.step for line in lines]
    assert [_value(text) for text in columns.texts_of(back)] == [_value(text) for text in texts]


@given(texts=st.lists(st.text(max_size=5), min_size=1, max_size=9))
def test_texts_come_back_to_the_character(texts: list[str]) -> None:
    lines = [Line(n, None, text) for n, text in enumerate(texts)]
    back = files.of_bytes(files.written(columns.of_lines(lines, json_rows=False)))
    assert columns.texts_of(back) == texts


def test_five_metrics_take_no_more_than_25_bytes_a_row() -> None:
    """As many bits as float32 can have: noise in each metric, times to the nanosecond."""
    random = np.random.default_rng(0)
    n = 1000
    values = (np.exp(-np.arange(n) / 300)[:, None] * (1 + 0.1 * random.standard_normal((n, 5)))).astype(np.float32)
    times = 1795944730.8110993 + np.cumsum(1 + 0.05 * random.standard_normal(n))
    lines = []
    for step in range(n):
        row: dict[str, Any] = {f"metric_{k}": float(value) for k, value in enumerate(values[step])}
        row |= {
            "_timestamp": float(times[step]),
            "_runtime": round(float(times[step] - times[0]), 9),
            "_step": step,
        }
        lines.append(Line(step, step, json.dumps(row)))
    told = columns.of_lines(lines, json_rows=True)
    assert told.rest is told.texts is None
    assert len(files.written(told)) <= 25 * n


def test_a_file_is_read_by_group_and_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "GROUP", 10)
    rows: list[dict[str, Any]] = [{"_step": n // 2, "loss": n / 8, "acc": n} for n in range(95)]
    rows[33]["loss"] = math.nan
    rows[44] |= {"nest": {"deep": 4}, "acc": "none"}
    path = tmp_path / "rows"
    path.write_bytes(files.written(columns.of_lines(_lines(rows), json_rows=True)))
    assert [group.first for group in reading.groups(path)] == [*range(0, 95, 10)]
    assert [line.line for line in reading.from_line(path, 77)] == [*range(77, 95)]
    assert [line.line for line in reading.to_line(path)][:3] == [94, 93, 92]
    assert [line.line for line in reading.between(path, 7, 9)] == [*range(14, 20)]
    read = files.ColumnFile(path).read([3], ["acc"])
    assert (list(read.numbers), read.lines.tolist()) == (["acc"], [*range(30, 40)])
    told: dict[str, list[tuple[int, float]]] = {}
    for key, steps, values in reading.curves(path, ["loss", "acc", "nest.deep", "gone"], 10, 30):
        told.setdefault(key, []).extend(zip(steps, values, strict=True))
    inside = [row for row in rows if 10 <= row["_step"] <= 30]
    assert told["acc"] == [(row["_step"], row["acc"]) for row in inside if row["acc"] != "none"]
    assert repr(told["loss"]) == repr([(row["_step"], row["loss"]) for row in inside])
    assert told["nest.deep"] == [(22, 4)]
    assert "gone" not in told


def test_other_readers_of_parquet_find_the_keys(tmp_path: Path) -> None:
    import pandas as pd

    rows = [{"_step": n, "_runtime": n / 4, "val/loss": float(np.float32(0.1) * n), "epoch": n} for n in range(50)]
    (tmp_path / "a.parquet").write_bytes(files.written(columns.of_lines(_lines(rows), json_rows=True)))
    frame = pd.read_parquet(tmp_path / "a.parquet")
    assert frame["val/loss"].tolist() == [row["val/loss"] for row in rows]
    assert frame["epoch"].tolist() == [*range(50)]


def test_what_is_no_such_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no Parquet")
    with pytest.raises(OSError, match="is no file of rows"):
        files.ColumnFile(tmp_path / "text")


def _lines(rows: list[dict[str, Any]]) -> list[Line]:
    return [Line(n, row.get("_step"), json.dumps(row)) for n, row in enumerate(rows)]


def _value(text: str) -> str:
    """What a line tells, whole numbers whole; a text that is no JSON as it stands."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else text
