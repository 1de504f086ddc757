"""Hyperband's bands and places, in closed form."""

import pytest

from launch.server.search.hyperband import Hyperband


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
