"""MongoDB-style filters, against run documents as the server stores them."""

import json
import re
from typing import Any

import pytest

from launch.server.errors import ApiError
from launch.server.filters import compile_filter, same

ROW = {
    "id": 1, "name": "abc", "display_name": "run-1", "state": "finished", "sweep_name": "s1", "group_name": None,
    "job_type": "train", "tags": '["a","b"]', "notes": None, "description": None, "host": "h",
    "commit_hash": "f00", "project_name": "p", "entity_name": "local",
    "created_at": 1_700_000_000.0, "heartbeat_at": 1_700_000_100.0,
    "config": json.dumps({
        "lr": {"value": 0.5, "desc": None}, "n": {"value": 0}, "on": {"value": True}, "none": {"value": None},
        "b": {"value": {"kind": "linear", "ridge": 0.0, "deep": {"x": [1, 2]}}}, "a.b": {"value": "dotted"},
        "v": {"value": {"value": 7}}, "text": {"value": "16"},
    }),
    "summary": '{"loss": 0.25, "nan": NaN, "nested": {"acc": 0.9}}',
}  # fmt: skip


def accepts(query: Any, row: Any = ROW) -> bool:
    compiled = compile_filter(json.dumps(query))
    if compiled.condition != "1":
        columns = {"runs.name": "name", "runs.state": "state", "sweeps.name": "sweep_name"}
        for condition, value in zip(compiled.condition.split(" AND "), compiled.values, strict=True):
            if row[columns[condition.split(" ")[0]]] != value:
                return False
    return compiled.accepts(row)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"config.lr": 0.5},
        {"config.lr.value": 0.5},
        {"config.n": 0.0},
        {"config.n": {"$in": [1, 0.0]}},
        {"config.on": True},
        {"config.none": None},
        {"config.none": {"$exists": True}},
        {"config.none": {"$nin": [0, "x"]}},
        {"config.b.none": {"$exists": False}},
        {"config.absent": None},
        {"config.b": {"kind": "linear", "ridge": 0, "deep": {"x": [1.0, 2]}}},
        {"config.b.value.kind": "linear"},
        {"config.b.deep.x": [1, 2]},
        {"config.a.b": "dotted"},
        {"config.v.value.value": 7},
        {"summary_metrics.loss": {"$lt": 0.3, "$gte": 0.25}},
        {"summary_metrics.nested.acc": {"$gt": 0.5}},
        {"state": "finished", "sweep": "s1"},
        {"$and": [{"sweep": "s1"}, {"$or": [{"state": "failed"}, {"tags": "a"}]}]},
        {"tags": {"$in": ["z", "b"]}},
        {"tags": {"$ne": "z"}},
        {"$nor": [{"state": "failed"}, {"tags": "z"}]},
        {"display_name": {"$regex": "^run-"}},
        {"created_at": {"$gte": "2023-11-14", "$lt": "2023-11-15T00:00:00Z"}},
        {"created_at": {"$gt": "2023-11-14T22:13:19"}},
        {"createdAt": "2023-11-14T23:13:20+01:00"},
        {"heartbeat_at": {"$in": ["2023-11-14T22:15:00Z"]}},
        {"created_at": {"$exists": True}},
        {"created_at": {"$not": {"$lt": "2023-11-14T22:13:20Z"}}},
        {"$not": {"created_at": {"$gt": "2024-01-01"}}},
        {"display_name": {"$regex": "^RUN-", "$options": "i"}},
        {"tags": {"$regex": "^a$"}},
        {"summaryMetrics.loss": 0.25},
        {"duration": {"$gte": 100}},
        {"group": None},
        {"group": {"$exists": False}},
        {"config.lr": {"$exists": True}},
        {"config.lr": {"$not": {"$gt": 1}}},
        {"createdAt": {"$gt": "2023-01-01"}},
        {"name": {"$nin": ["x"]}},
    ],
)
def test_accepted(query: Any) -> None:
    assert accepts(query)


@pytest.mark.parametrize(
    "query",
    [
        {"config.lr": "0.5"},
        {"config.text": 16},
        {"config.n": False},
        {"config.on": 1},
        {"config.on": {"$gt": 0}},
        {"config.none": 0},
        {"config.absent": {"$exists": True}},
        {"config.none": {"$exists": False}},
        {"config.none": {"$ne": None}},
        {"config.absent": {"$ne": None}},
        {"config.absent": {"$in": [0, 1]}},
        {"config.b": {"kind": "linear"}},
        {"summary_metrics.nan": {"$lt": 1}},
        {"summary_metrics.loss": {"$gt": "a"}},
        {"state": "running"},
        {"sweep": "s2"},
        {"tags": "z"},
        {"$or": [{"state": "failed"}, {"tags": "z"}]},
        {"config.lr": {"$nin": [0.5]}},
        {"config.b": {"kind": "linear", "ridge": False, "deep": {"x": [1, 2]}}},
    ],
)
def test_rejected(query: Any) -> None:
    assert not accepts(query)


@pytest.mark.parametrize(
    "query",
    [
        {"$where": "1"},
        {"config.a": {"$near": 1}},
        {"$and": {}},
        {"config.a": {"$in": 3}},
        {"config.a": {"$regex": "("}},
        [1],
        "x",
    ],
)
def test_refused(query: Any) -> None:
    with pytest.raises(ApiError):
        compile_filter(json.dumps(query))


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"summary.v": 4}, "did you mean 'summary_metrics.v'"),
        ({"summary.v": {"$ne": 4}}, "did you mean 'summary_metrics.v'"),
        ({"jobtype": {"$exists": False}}, "did you mean 'job_type'"),
        ({"$or": [{"state": "failed"}, {"stat": "x"}]}, "did you mean 'state'"),
        ({"$not": {"$nor": [{"tagz": "x"}]}}, "did you mean 'tags'"),
        ({"confg.a.b": 1}, "did you mean 'config.a.b'"),
        ({"lr": 0.1}, "write 'config.lr' or 'summary_metrics.lr'"),
        ({"xyzzy.q": 1}, "no column 'xyzzy.q' to filter by"),
    ],
)
def test_a_column_that_is_not_there_is_named(query: Any, told: str) -> None:
    with pytest.raises(ApiError, match=re.escape(told)) as error:
        compile_filter(json.dumps(query))
    assert error.value.status == 400


def test_plain_columns_become_sql() -> None:
    compiled = compile_filter('{"$and": [{"sweep": "s1"}, {"state": "finished"}]}')
    assert (compiled.condition, list(compiled.values)) == (
        "sweeps.name = ? AND runs.state = ?",
        ["s1", "finished"],
    )
    assert compiled.rest is None


def test_values_never_reach_the_sql_text() -> None:
    assert compile_filter(json.dumps({"name": "x' OR 1=1 --"})).condition == "runs.name = ?"


def test_equality_is_numeric_but_not_for_booleans() -> None:
    assert same(0, 0.0)
    assert same({"a": [1, {"b": 2.0}]}, {"a": [1.0, {"b": 2}]})
    assert not same(1, True)
    assert not same([1], [1, 1])
    assert not same("1", 1)


def test_a_filter_asks_for_no_more_than_a_thousand_things() -> None:
    compile_filter(json.dumps({"$or": [{"config.a": 1}] * 300}))
    for query in ({"$and": [{"config.a": 1}] * 1000}, {"config.a": {"$in": list(range(1001))}}):
        with pytest.raises(ApiError, match="at most 1,000 conditions"):
            compile_filter(json.dumps(query))
