import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.metrics import FewSamples, cka
from framework.metrics.similarity.cka import CKA
from tests.framework.metrics.similarity.arrays import independent, related, turned

few = pytest.mark.filterwarnings("ignore::framework.metrics.FewSamples")


def unbiased_hsic(k, l):  # noqa: E741
    """The mean over ordered quadruples of different rows: what the estimator stands for."""
    n, total = len(k), 0.0
    quadruples = list(itertools.permutations(range(n), 4))
    for i, j, q, r in quadruples:
        total += k[i, j] * (l[i, j] + l[q, r] - 2 * l[i, q])
    return total / len(quadruples)


def slow(k, l, hsic):  # noqa: E741
    return hsic(k, l) / math.sqrt(hsic(k, k) * hsic(l, l))


def biased_hsic(k, l):  # noqa: E741
    h = np.eye(len(k)) - 1 / len(k)
    return np.trace(k @ h @ l @ h)


def gaussian(x, bandwidth=1.0):
    squared = ((x[:, None] - x[None]) ** 2).sum(-1)
    median = np.median(np.sqrt(squared[np.triu_indices(len(x), 1)]))
    return np.exp(-squared / (2 * (bandwidth * median) ** 2))


@few
@pytest.mark.parametrize("sizes", [(6, 3, 2), (7, 2, 40), (5, 30, 30), (4, 1, 1)])
@pytest.mark.parametrize("debiased", [True, False])
def test_equals_the_definition_by_quadruples(sizes, debiased):
    x, y = related(*sizes, noise=5)
    expected = slow(x @ x.T, y @ y.T, unbiased_hsic if debiased else biased_hsic)
    assert float(cka(x, y, debiased=debiased, null=0)) == pytest.approx(min(1, expected), abs=1e-9)


@pytest.mark.parametrize("debiased", [True, False])
def test_a_gaussian_kernel_of_the_median_distance(debiased):
    x, y = related(7, 3, 2, noise=5)  # 21 pairs: the median is one of them
    hsic = unbiased_hsic if debiased else biased_hsic
    for bandwidth in (1.0, 0.5):
        expected = slow(gaussian(x, bandwidth), gaussian(y, bandwidth), hsic)
        found = cka(x, y, kernel="rbf", bandwidth=bandwidth, debiased=debiased, null=0)
        assert float(found) == pytest.approx(expected, abs=1e-9)


def test_a_gaussian_kernel_sees_what_is_not_linear():
    x = np.random.default_rng(0).normal(size=(200, 1))
    assert cka(x, x**2, null=50).p > 0.05 or abs(float(cka(x, x**2, null=0))) < 0.1
    bent = cka(x, x**2, kernel="rbf", null=50)
    assert bent.p < 0.05
    assert bent.value > 0.1


@few
def test_independent_gaussians_are_near_nothing_and_the_classical_one_is_not():
    found = [independent(360, 512, 512, seed) for seed in range(5)]
    debiased = [float(cka(x, y, null=0)) for x, y in found]
    assert np.mean(debiased) == pytest.approx(0, abs=0.01)
    assert max(map(abs, debiased)) < 0.02
    biased = [cka(x, y, debiased=False, null=20) for x, y in found[:2]]
    assert [each.value for each in biased] == pytest.approx([0.587, 0.587], abs=5e-3)
    assert [each.null_mean for each in biased] == pytest.approx([0.587, 0.587], abs=5e-3)


@pytest.mark.parametrize("debiased", [True, False])
def test_features_and_kernels_are_two_ways_to_the_same(debiased, monkeypatch):
    x, y = related(100, 40, 25)
    with pytest.warns(FewSamples):
        by_features = cka(x, y, debiased=debiased, null=10)
    wide = np.hstack([x, np.zeros((100, 400))]), np.hstack([y, np.zeros((100, 400))])
    with pytest.warns(FewSamples):
        by_kernels = cka(*wide, debiased=debiased, null=10)
    assert by_kernels.value == pytest.approx(by_features.value, abs=1e-12)
    assert by_kernels.null_mean == pytest.approx(by_features.null_mean, abs=1e-12)


@few
@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(4, 40), d=st.integers(1, 12), e=st.integers(1, 12), seed=st.integers(0, 99),
    scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10), debiased=st.booleans(),
)  # fmt: skip
def test_rotation_scale_and_shift_change_nothing_and_it_is_symmetric(n, d, e, seed, scale, shift, debiased):
    x, y = related(n, d, e, seed=seed)
    found = float(cka(x, y, debiased=debiased, null=0))
    assert found <= 1
    if math.isnan(found):
        return
    other = scale * x @ np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0] + shift
    assert float(cka(other, y, debiased=debiased, null=0)) == pytest.approx(found, abs=1e-7)
    assert float(cka(y, x, debiased=debiased, null=0)) == pytest.approx(found, abs=1e-9)


def test_a_turned_array_is_the_same():
    x, _ = related(60, 6, 5)
    assert float(cka(x, turned(x), null=0)) == pytest.approx(1)


def test_rows_that_are_equally_far_from_one_another_have_none():
    with pytest.warns(FewSamples):
        assert math.isnan(float(cka(np.eye(6), independent(6, 2, 1)[0], null=3)))
    twice = np.repeat(np.eye(2), 20, axis=0)
    assert float(cka(twice, twice, null=0)) == pytest.approx(1)
    assert float(cka(twice, twice, kernel="rbf", null=0)) == pytest.approx(1)


def test_the_metric_declares_what_it_is():
    assert (CKA.name, CKA.better) == ("cka", "higher")
    assert "below" in CKA.unit
