"""Where a metric's value stands in what a run logs, in every shape in which the client writes it."""

from typing import Any

import pytest

from launch.server.search.metric import Metric, extremum, finite
from launch.server.wire import at

NAN, INF = float("nan"), float("inf")


def test_a_metric_is_found_by_its_name_or_inside():
    assert at({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert Metric("a.b").loss({"a": {"b": 2}}) == 2
    assert Metric("a").loss({"a": {"b": 2}}) is None
    assert Metric("a.b").loss({"a": 3}) is None
    for value in (NAN, INF, -INF, True, "3", None, 10**400):
        assert finite(value) is None


def test_losses_and_targets_follow_the_goal():
    low, high = Metric("l", False, 0.1), Metric("l", True, 0.9)
    assert (low.loss({"l": 2}), high.loss({"l": 2})) == (2, -2)
    assert [low.is_reached(low.loss({"l": value})) for value in (0.2, 0.1, -1, NAN)] == [False, True, True, False]
    assert [high.is_reached(high.loss({"l": value})) for value in (0.8, 0.9, 2, NAN)] == [False, True, True, False]
    assert not Metric("l").is_reached(-1e9)


@pytest.mark.parametrize(
    ("kept", "smallest", "largest"),
    [
        ({"max": 3}, 3, 3),
        ({"min": 1, "max": 3, "mean": -9, "last": 2}, 1, 3),
        ({"best": 2, "first": 5}, 2, 5),
        ({"mean": 7}, None, None),
        ({"max": "NaN", "min": INF, "last": NAN}, None, None),
        ({"max": INF, "last": 4}, 4, 4),
        ({}, None, None),
    ],
)
def test_of_what_a_summary_keeps_the_best_number_counts(kept: dict[str, Any], smallest: Any, largest: Any):
    assert extremum(kept, largest=False) == smallest
    assert extremum(kept, largest=True) == largest
    assert Metric("m").kept({"m": kept}) == smallest
    assert Metric("m", maximize=True).kept({"m": kept}) == (None if largest is None else -largest)


def test_a_name_may_say_which_of_them():
    assert Metric("acc.max").kept({"acc": {"max": 0.5, "min": 0.1}}) == 0.5
