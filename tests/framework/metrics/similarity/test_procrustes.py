import math

import numpy as np
import pytest
from scipy import spatial
from scipy.linalg import orthogonal_procrustes

from framework.metrics import procrustes
from tests.framework.metrics.similarity.arrays import independent, related, turned


def slow(x, y):
    """The distance after scipy's rotation, the narrower padded with zeros."""
    width = max(x.shape[1], y.shape[1])
    x, y = (np.pad(z - z.mean(0), ((0, 0), (0, width - z.shape[1]))) for z in (x, y))
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    return np.linalg.norm(x - y @ orthogonal_procrustes(y, x)[0])


@pytest.mark.filterwarnings("ignore::framework.metrics.FewSamples")
@pytest.mark.parametrize("sizes", [(50, 5, 5), (50, 3, 6), (50, 6, 3), (10, 30, 20), (12, 30, 1)])
def test_equals_scipys_rotation_with_padding(sizes):
    for x, y in (related(*sizes, noise=4), independent(*sizes)):
        assert float(procrustes(x, y, null=0)) == pytest.approx(slow(x, y), abs=1e-7)
        assert float(procrustes(y, x, null=0)) == pytest.approx(slow(x, y), abs=1e-7)


def test_scipys_disparity_is_that_of_the_best_scale():
    x, y = related(50, 5, 5, noise=4)
    disparity = spatial.procrustes(x, y)[2]
    shared = 1 - float(procrustes(x, y, null=0)) ** 2 / 2
    assert 1 - shared**2 == pytest.approx(disparity, abs=1e-9)


def test_it_is_a_distance_up_to_rotation_scale_and_shift():
    x, y = related(60, 5, 4, noise=4)
    z, _ = independent(60, 7, 1)
    assert float(procrustes(x, turned(x), null=0)) < 1e-6
    assert float(procrustes(turned(x), y, null=0)) == pytest.approx(float(procrustes(x, y, null=0)), abs=1e-9)
    first, second, third = (float(procrustes(*pair, null=0)) for pair in ((x, y), (y, z), (x, z)))
    assert third <= first + second
    assert max(first, second, third) <= math.sqrt(2)
