import math

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from framework.metrics import FewSamples, angles
from framework.metrics.similarity.angles import ANGLE, expected_angle
from tests.framework.metrics.similarity.arrays import independent, related, turned


@pytest.mark.parametrize("sizes", [(60, 5, 4), (60, 4, 5), (60, 1, 3)])
def test_equal_those_of_scipy(sizes):
    x, y = related(*sizes, noise=4)
    expected = np.sort(subspace_angles(x - x.mean(0), y - y.mean(0)))
    found = angles(x, y, null=0)
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    assert float(found) == pytest.approx(expected.mean(), abs=1e-6)
    np.testing.assert_allclose(angles(turned(x), y, null=0).values, found.values, atol=1e-6)


@pytest.mark.parametrize(("d", "e"), [(20, 5), (9, 9), (1, 1)])
def test_what_unrelated_spaces_have_is_known(d, e):
    """The mean squared cosine over permutations is exact, whatever the arrays are."""
    x, y = related(80, d, e)
    cosines = [np.cos(angles(x[np.random.default_rng(s).permutation(80)], y, null=0).values) for s in range(300)]
    expected = math.cos(expected_angle(80, d, e)) ** 2
    assert expected == pytest.approx(max(d, e) / 79)
    assert np.mean(np.square(cosines)) == pytest.approx(expected, rel=0.15)
    assert math.isnan(expected_angle(80, 0, 3))
    assert expected_angle(10, 40, 3) == 0


def test_more_features_than_samples_are_no_sign_of_anything():
    with pytest.warns(FewSamples):
        found = angles(*independent(20, 30, 30), null=19)
    assert float(found) < 1e-6
    assert found.mean.p == 1
    assert (found.p == 1).all()
    assert math.isnan(found.mean.corrected)


def test_the_metric_declares_what_it_is():
    assert (ANGLE.better, ANGLE.unit.split()[0]) == ("lower", "radians,")
