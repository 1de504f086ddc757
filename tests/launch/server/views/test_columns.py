"""Configs and summaries as columns: whose values they are."""

import json

import orjson
import pytest

from launch.server.views.columns import Columns, config_of, told


def test_what_runs_of_this_project_keep_of_themselves_is_no_column() -> None:
    record = {"sashiko": {"value": {"config": {"a": 1}, "config_id": "x"}}, "a": {"value": 1}}
    other = {"sashiko": {"value": {"stitches": 2}}, "a": {"value": 2}}
    columns = Columns(3)
    columns.configs(0, [json.dumps(config) for config in (record, other, record)])
    assert columns.values == {"a": [1, 2, 1], "sashiko.stitches": [None, 2, None]}
    assert set(config_of(json.dumps(record))) == {"a"}


@pytest.mark.parametrize("count", [1, 3, 600, 5_000])
@pytest.mark.parametrize("different", [1, 2, 255, 256, 257, 400, 5_000])
def test_a_column_is_sent_as_levels_where_they_repeat(count: int, different: int) -> None:
    values = [float(index % different) for index in range(count)]
    found = told("x", "summary", values)
    expected = len(set(values)) <= min(256, max(2, count // 2))
    assert ("levels" in found) is expected
    assert (found.get("values") or [found["levels"][code] for code in found["codes"]]) == values


def test_a_column_is_made_once_until_a_value_changes() -> None:
    def values(path: str) -> list[float | None]:
        found = orjson.loads(orjson.dumps(columns.sent(path, "summary")))
        return [found["levels"][code] for code in found["codes"]]

    columns = Columns(2)
    columns.summaries(0, ['{"a": 1.5, "b": {"c": 1}}', '{"a": 2.5, "b": {"c": 2}}'])
    first = columns.sent("a", "summary")
    assert values("a") == [1.5, 2.5]
    assert columns.sent("a", "summary") is first
    columns.clear(1)
    assert values("a") == [1.5, None]
    columns.summaries(1, ['{"a": 3.5}'])
    assert values("a") == [1.5, 3.5]
    assert values("b.c") == [1, None]
