"""Against scipy's, of the whole and of every resample."""

import math

import numpy as np
import pytest
from scipy.stats import kendalltau

from framework.report.kendall import kendall


@pytest.mark.parametrize("ties", [False, True])
def test_against_scipy_and_a_loop_over_resamples(ties):
    numbers = np.random.default_rng(3)
    x = numbers.normal(size=30)
    y = x + numbers.normal(size=30)
    if ties:
        x, y = x.round(), y.round()
    found = kendall(x, y, resamples=200, seed=5)
    assert found.tau == pytest.approx(kendalltau(x, y).statistic)
    weights = np.random.default_rng(5).multinomial(30, np.full(30, 1 / 30), 200)
    taus = []
    for counts in weights:
        rows = np.repeat(np.arange(30), counts)
        taus.append(kendalltau(x[rows], y[rows]).statistic)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(taus, [0.025, 0.975])))
    assert found.n == 30
    assert found.low < found.tau < found.high


def test_what_is_no_number_is_left_out():
    assert kendall([1, 2, 3, math.nan, 4], [1, 2, 3, 0, math.inf]).n == 3
    assert kendall([1, 2, 3, 9], [1, 2, 3, 9]).tau == 1
    assert math.isnan(kendall([1, 2], [1, 2]).tau)
    assert math.isnan(kendall([1, 1, 1], [1, 2, 3]).tau)
