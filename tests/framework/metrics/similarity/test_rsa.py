import math

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr, spearmanr

from framework.metrics import rsa
from tests.framework.metrics.similarity.arrays import related, turned


@pytest.mark.parametrize("distance", ["correlation", "euclidean", "cosine"])
@pytest.mark.parametrize(("comparison", "expected"), [("spearman", spearmanr), ("pearson", pearsonr)])
@pytest.mark.parametrize("sizes", [(30, 5, 4), (5, 40, 3), (3, 4, 4)])
def test_equals_scipy(distance, comparison, expected, sizes):
    x, y = related(*sizes, noise=4)
    found = rsa(x, y, distance=distance, comparison=comparison, null=0)
    assert float(found) == pytest.approx(expected(pdist(x, distance), pdist(y, distance)).statistic, abs=1e-9)


def test_ties_share_their_rank():
    x, y = related(20, 4, 4, noise=4)
    x, y = np.round(np.repeat(x, 2, axis=0)), np.repeat(y, 2, axis=0)
    expected = spearmanr(pdist(x), pdist(y)).statistic
    assert float(rsa(x, y, distance="euclidean", null=0)) == pytest.approx(expected, abs=1e-9)


def test_what_changes_no_distance_changes_nothing():
    x, y = related(40, 5, 4, noise=4)
    found = float(rsa(x, y, distance="euclidean", null=0))
    assert float(rsa(turned(x), y, distance="euclidean", null=0)) == pytest.approx(found, abs=1e-9)
    assert float(rsa(3 * x, y, null=0)) == pytest.approx(float(rsa(x, y, null=0)), abs=1e-9)


def test_a_sample_without_variance_has_no_correlation():
    x, y = related(20, 5, 4)
    x[3] = 0.1
    assert math.isnan(float(rsa(x, y, null=5)))
    assert math.isfinite(float(rsa(x, y, distance="euclidean", null=0)))
    assert math.isnan(float(rsa(x[:, :1], y, null=0)))
