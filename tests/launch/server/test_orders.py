"""Orders of runs: as SQL where columns suffice, by value otherwise."""

import json
import random
from typing import Any

import pytest

from launch.server.errors import ApiError
from launch.server.orders import chosen, sort_rows, sql
from tests.launch.server.test_filters import ROW

INF = float("inf")


def rows_of(values: list[Any]) -> list[Any]:
    """Runs with these losses, None for none, in a random order; their ids tell which is which."""
    rows = [
        ROW | {"id": key, "summary": json.dumps({} if loss is None else {"loss": loss})}
        for key, loss in enumerate(values)
    ]
    random.Random(3).shuffle(rows)
    return rows


def ordered(values: list[Any], order: str) -> list[int]:
    return [row["id"] for row in sort_rows(rows_of(values), order)]


def test_columns_become_sql():
    assert sql("-created_at") == "runs.id DESC, runs.id ASC"
    assert sql(None) == "runs.id ASC"
    assert sql("+summary_metrics.loss") is None
    assert sql("+name,-state") == "runs.name ASC, runs.state DESC, runs.id ASC"


def test_numbers_come_first_and_what_is_missing_last_whatever_the_direction():
    values = [3, None, 1.5, "text", 2, True, float("nan"), INF, -INF, [1], "a", False]
    assert ordered(values, "+summary_metrics.loss") == [2, 4, 0, 8, 7, 11, 5, 10, 3, 1, 6, 9]
    assert ordered(values, "-summary_metrics.loss") == [0, 4, 2, 7, 8, 5, 11, 3, 10, 1, 6, 9]
    assert ordered([1, 10**400, 2], "-summary_metrics.loss") == [1, 2, 0]


def test_kept_extremes_are_compared_by_the_one_that_comes_first():
    values = [{"min": 1, "max": 9}, 5, {"min": 2, "max": 3}, {"mean": 7}, {"last": 6}]
    assert ordered(values, "+summary_metrics.loss") == [0, 2, 1, 4, 3]
    assert ordered(values, "-summaryMetrics.loss") == [0, 4, 1, 2, 3]


def test_later_terms_break_ties():
    assert ordered([1, 2, 1, 2], "-summary_metrics.loss,-created_at") == [3, 1, 2, 0]


@pytest.mark.parametrize("order", ["-nosuch", "+summary.loss", "created_at,-lr"])
def test_a_column_that_is_not_there_is_named(order: str):
    with pytest.raises(ApiError, match=r"no column '.*' to order by"):
        sql(order)


def test_lists_that_are_at_hand_are_chosen_and_ordered_alike():
    items = [{"name": "b", "size": 2}, {"name": "a", "size": None}, {"name": "c", "size": 1}]
    known = ("name", "size")

    def names(**args: str) -> list[str]:
        return [item["name"] for item in chosen(items, args, lambda item: item, known)]  # type: ignore[misc]

    assert names() == ["b", "a", "c"]
    assert names(order="+size") == ["c", "b", "a"]
    assert names(filters='{"size": {"$exists": true}}') == ["b", "c"]
    with pytest.raises(ApiError, match="no column 'sizes' to filter by: did you mean 'size'"):
        names(filters='{"sizes": 1}')
