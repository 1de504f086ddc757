"""Exported histories: what Parquet gives back is what was logged, or nothing is exported."""

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from launch.server import upkeep
from launch.server.exports import exported
from launch.server.limits import ServeOptions
from launch.server.request import Services
from tests.launch.server.asgi import Client

BASE = "http://127.0.0.1:8765"
PARQUET = 'query P($r: String) { project(name: "p") { run(name: $r) { parquetHistory(liveKeys: ["_step"]) {' + (
    " parquetUrls liveData } } } }"
)


def read(body: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = parquet.read_table(io.BytesIO(body)).to_pylist()
    return found


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return "nan" if isinstance(value, float) and math.isnan(value) else value


@pytest.mark.parametrize(
    "rows",
    [
        [{"_step": 0, "loss": 0.5}, {"_step": 1, "loss": 0.25, "n": 3}, {"_step": 2, "name": "é", "ok": True}],
        [{"_step": 0, "x": 1}, {"_step": 1, "x": 2.5}],
        [{"_step": 0, "x": math.nan}, {"_step": 1, "x": math.inf}],
        [{"_step": 0, "v": {"acc": 1, "deep": {"a": [1, 2]}}}, {"_step": 1, "v": {"b": "c"}}],
        [{"_step": 0, "x": 2**62}, {"_step": 10**15, "x": -1}],
        [{"_step": 0, "image": {"_type": "image-file", "path": "a.png", "size": 3}}],
        [{"_step": 0, "x": None}, {"_step": 1}],
    ],
)
def test_what_comes_out_is_what_went_in(rows: list[dict[str, Any]]) -> None:
    body = exported([json.dumps(row) for row in rows])
    assert body is not None
    assert without_nulls(read(body)) == without_nulls(rows)


@pytest.mark.parametrize(
    "rows",
    [
        [{"x": 1}, {"x": "a"}],
        [{"x": True}, {"x": 1}],
        [{"x": 1}, {"x": {"a": 1}}],
        [{"x": [1, "a"]}],
        [{"x": 2**70}],
        [{"x": 2**60 + 1}, {"x": 0.5}],
    ],
)
def test_what_would_come_out_otherwise_is_not_exported(rows: list[dict[str, Any]]) -> None:
    assert exported([json.dumps(row) for row in rows]) is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["_step", "x", "y.z", ""]), VALUES, max_size=4), max_size=4))
def test_any_rows_come_out_as_they_went_in_or_are_not_exported(rows: list[dict[str, Any]]) -> None:
    body = exported([json.dumps(row) for row in rows])
    if body is not None and rows:
        assert without_nulls(read(body)) == without_nulls(json.loads(json.dumps(rows)))


@pytest.fixture
def options() -> ServeOptions:
    return ServeOptions(parquet=True)


@pytest.fixture
def told(ask: Any) -> Any:
    return lambda: ask(PARQUET, r="r")["project"]["run"]["parquetHistory"]


def rows_of(*values: Any, offset: int = 0) -> dict[str, Any]:
    content = [json.dumps({"_step": offset + index, "x": value}) for index, value in enumerate(values)]
    return {"files": {"wandb-history.jsonl": {"offset": offset, "content": content}}}


def test_a_run_is_exported_when_it_has_ended_and_anew_when_it_went_on(
    told: Any, ask: Any, make_run: Any, stream: Any, client: Client, tmp_path: Path
) -> None:
    make_run("r")
    assert told() == {"parquetUrls": [], "liveData": []}
    stream("r", rows_of(1, 2))
    assert told() == {"parquetUrls": [], "liveData": [{"_step": 0}]}
    stream("r", {"complete": True, "exitcode": 0})
    [url] = told()["parquetUrls"]
    assert told()["liveData"] == []
    body = client.get(url.removeprefix(BASE))
    assert [row["x"] for row in read(body.content)] == [1, 2]
    assert client.get(url.removeprefix(BASE).partition("?")[0]).status_code == 403
    make_run("r")
    stream("r", rows_of(3, offset=2))
    assert told()["parquetUrls"] == []
    stream("r", {"complete": True, "exitcode": 1})
    assert [row["x"] for row in read(client.get(told()["parquetUrls"][0].removeprefix(BASE)).content)] == [1, 2, 3]
    assert len(list((tmp_path / "exports").iterdir())) == 1
    upkeep.prune(tmp_path, older_than=-1)
    assert list((tmp_path / "exports").iterdir()) == []
    assert [row["x"] for row in read(client.get(url.removeprefix(BASE)).content)] == [1, 2, 3]
    run = ask('{ project(name: "p") { run(name: "r") { id } } }')["project"]["run"]["id"]
    ask("mutation D($r: ID!) { deleteRun(input: {id: $r}) { success } }", r=run)
    assert list((tmp_path / "exports").iterdir()) == []
    assert client.get(url.removeprefix(BASE)).status_code == 404


def test_nothing_is_exported_unless_the_server_was_told_to(
    told: Any, make_run: Any, stream: Any, services: Services
) -> None:
    object.__setattr__(services, "options", ServeOptions())
    make_run("r")
    stream("r", rows_of(1, 2) | {"complete": True, "exitcode": 0})
    assert told() == {"parquetUrls": [], "liveData": [{"_step": 0}]}


def test_rows_that_are_no_table_stay_live(
    told: Any, make_run: Any, stream: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run("r")
    stream("r", rows_of(1, "a"))
    stream("r", {"complete": True, "exitcode": 0})
    for _ in range(2):
        assert told() == {"parquetUrls": [], "liveData": [{"_step": 0}]}
    monkeypatch.setattr("launch.server.exports.exported", lambda texts: pytest.fail("tried once more"))
    assert told()["parquetUrls"] == []
