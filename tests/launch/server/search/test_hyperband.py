"""Hyperband's bands and places, in closed form."""

import pytest

from launch.server.search.hyperband import Hyperband
from launch.server.search.metric import Metric, number_at


def test_bands_from_below_and_from_above():
    assert Hyperband(min_iter=3).bands[:4] == (3, 9, 27, 81)
    assert Hyperband(min_iter=1, eta=1.5).bands[:6] == (1, 2, 3, 5, 7, 11)
    assert Hyperband(max_iter=27, s=2).bands == (3, 9)
    assert Hyperband(max_iter=27, s=9).bands == (1, 3, 9)
    assert Hyperband(max_iter=10, s=2, eta=4).bands == (2,)
    assert len(Hyperband(min_iter=1, eta=1e200).bands) == 1


def test_the_last_band_reached():
    rule = Hyperband(min_iter=2, eta=2)
    assert [rule.reached(count) for count in (0, 1, 2, 3, 4, 9)] == [None, None, 2, 2, 4, 8]


@pytest.mark.parametrize(("eta", "count", "place"), [(2, 1, 0), (2, 5, 2), (3, 3, 1), (3, 8, 2), (4, 3, 0)])
def test_one_in_eta_goes_on(eta: float, count: int, place: int):
    assert Hyperband(min_iter=1, eta=eta).place(count) == place


def test_a_metric_is_found_by_its_name_or_inside():
    assert number_at({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert number_at({"a": {"b": 2}}, "a.b") == 2
    assert number_at({"a": {"b": 2}}, "a") is None
    assert number_at({"a": 3}, "a.b") is None
    for value in (float("nan"), float("inf"), True, "3", None, 10**400):
        assert number_at({"a": value}, "a") is None


def test_losses_and_targets_follow_the_goal():
    low, high = Metric("l", False, 0.1), Metric("l", True, 0.9)
    assert (low.loss({"l": 2}), high.loss({"l": 2})) == (2, -2)
    assert [low.is_reached({"l": value}) for value in (0.2, 0.1, -1, float("nan"))] == [False, True, True, False]
    assert [high.is_reached({"l": value}) for value in (0.8, 0.9, 2, float("nan"))] == [False, True, True, False]
    assert not Metric("l").is_reached({"l": -1e9})
