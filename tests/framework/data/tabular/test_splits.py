"""Draws of rows: disjoint, seeded, and by class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.data.tabular.splits import TEST, VAL, draw, shares


@given(
    st.lists(st.integers(3, 60), min_size=2, max_size=8), st.floats(0.05, 0.6), st.integers(-(2**63), 2**64 - 1)
)
def test_each_class_gives_its_share_and_keeps_two_rows(counts, fraction, seed):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    rest, drawn = draw(labels, len(labels), fraction, seed, TEST, left=2)
    assert sorted([*rest, *drawn]) == list(range(len(labels)))
    assert list(drawn) == sorted(drawn)
    for label, count in enumerate(counts):
        taken = int((labels[drawn] == label).sum())
        assert 1 <= taken <= count - 2
        assert abs(taken - np.clip(fraction * count, 1, count - 2)) <= 1


@pytest.mark.parametrize(
    ("counts", "fraction", "expected"),
    [
        ([50, 50, 50], 0.2, [10, 10, 10]),
        ([59, 71, 48], 0.2, [12, 14, 10]),  # 11.8, 14.2, 9.6: 36 in all, by largest remainders
        ([3, 97], 0.2, [1, 19]),
        ([3, 3], 0.01, [1, 1]),
        ([3, 100], 0.9, [1, 90]),
    ],
)
def test_shares_are_those_of_largest_remainders(counts, fraction, expected):
    assert shares(np.array(counts), fraction, 2).tolist() == expected


def test_seeds_and_streams_draw_something_else():
    draws = {tuple(draw(None, 40, 0.25, seed, stream)[1]) for seed in (0, 1, -1) for stream in (TEST, VAL)}
    assert len(draws) == 6
    assert {len(drawn) for drawn in draws} == {10}
    assert tuple(draw(None, 40, 0.25, 0, TEST)[1]) in draws


def test_every_row_is_drawn_as_often_as_any_other():
    times = np.bincount(np.concatenate([draw(None, 10, 0.3, seed, TEST)[1] for seed in range(2000)]), minlength=10)
    assert times.sum() == 6000
    assert np.abs(times - 600).max() < 5 * np.sqrt(2000 * 0.3 * 0.7)
