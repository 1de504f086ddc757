"""Correlations and covariances against loops over pairs of vectors."""

import itertools

import numpy as np
import pytest
import torch

from framework.errors import InvalidInput
from framework.ssl.diagnostics import correlations, covariances, slices
from framework.ssl.diagnostics.correlation import correlation
from framework.ssl.diagnostics.covariance import covariance
from tests.framework.ssl.diagnostics.conftest import cube
from tests.second_device import DEVICE, SecondDevice


def vector(z, axis, s, e):
    """Entry e of slice s: its numbers along the axis."""
    return {"batch_ik": lambda: z[s, :, e], "feature_ij": lambda: z[s, e, :], "view_jk": lambda: z[:, s, e]}[
        axis
    ]()


def pairs_of(z, axis, pairs, first):
    views, images, features = z.shape
    counts = {"batch_ik": (views, features), "feature_ij": (views, images), "view_jk": (images, features)}[axis]
    places = list(itertools.product(range(min(first, counts[0])), range(counts[1])))
    for (s, e), (t, g) in itertools.product(places, places):
        if {"10": s == t and e != g, "01": s != t and e == g, "00": s != t and e != g}[pairs]:
            yield vector(z, axis, s, e), vector(z, axis, t, g)


def product(u, v):
    return sum((a - u.mean()) * (b - v.mean()) for a, b in zip(u, v, strict=True)) / (len(u) - 1)


def twin(kind, z, axis, pairs, first):
    found = []
    for u, v in pairs_of(z, axis, pairs, first):
        if kind == "cov":
            found.append(product(u, v) ** 2)
        elif np.ptp(u) > 0 and np.ptp(v) > 0:
            found.append(abs(product(u, v)) / (product(u, u) * product(v, v)) ** 0.5)
    return np.mean(found) if found else np.nan


@pytest.mark.parametrize("first", [2, 3])
@pytest.mark.parametrize("pairs", slices.PAIRS)
@pytest.mark.parametrize("axis", slices.AXES)
def test_each_is_its_formula(axis, pairs, first):
    z = cube()
    found = covariance(z, axis, pairs, slices=first)
    assert found == pytest.approx(twin("cov", z.numpy(), axis, pairs, first), rel=1e-10)
    found = correlation(z, axis, pairs, slices=first)
    assert found == pytest.approx(twin("cor", z.numpy(), axis, pairs, first), rel=1e-10)


@pytest.mark.parametrize("pairs", slices.PAIRS)
def test_against_numpy(pairs):
    """The matrices that numpy makes of two views."""
    z = cube(2, 40, 6).numpy()
    both = np.corrcoef(np.concatenate([z[0].T, z[1].T]))
    within, across = (both[:6, :6], both[6:, 6:]), both[:6, 6:]
    off = ~np.eye(6, dtype=bool)
    expected = {
        "10": np.mean([np.abs(matrix[off]).mean() for matrix in within]),
        "01": np.abs(np.diag(across)).mean(),
        "00": np.abs(across[off]).mean(),
    }
    assert correlation(z, "batch_ik", pairs) == pytest.approx(expected[pairs])


def test_vectors_that_are_constant_have_no_correlation():
    z = cube()
    z[0, :, 1] = 0.1  # whose mean is not exactly itself
    z[1, :, 2] = -7
    for axis, pairs in itertools.product(slices.AXES, slices.PAIRS):
        assert correlation(z, axis, pairs) == pytest.approx(twin("cor", z.numpy(), axis, pairs, 2), rel=1e-10)


def test_a_network_that_has_collapsed():
    z = cube()[:1, :1].expand(3, 5, 4)
    assert np.isnan(correlations(z)["Cor_batch_ik_10"])
    assert covariances(z)["Cov_batch_ik_10"] == pytest.approx(0, abs=1e-25)


def test_of_two_views_the_correlation_over_views_is_1():
    found = correlations(cube(2))
    assert [found[f"Cor_view_jk_{pairs}"] for pairs in slices.PAIRS] == pytest.approx([1, 1, 1])


def test_equal_views_agree():
    found = correlations(cube(1).expand(2, -1, -1) + torch.zeros(2, 1, 1))
    assert found["Cor_batch_ik_01"] == pytest.approx(1)
    assert found["Cor_batch_ik_00"] == pytest.approx(found["Cor_batch_ik_10"])


def test_all_nine_of_each():
    names = [f"{axis}_{pairs}" for axis in slices.AXES for pairs in slices.PAIRS]
    assert list(correlations(cube())) == [f"Cor_{name}" for name in names]
    assert list(covariances(cube())) == [f"Cov_{name}" for name in names]


def test_blocks_do_not_matter(monkeypatch):
    expected = covariances(cube())
    monkeypatch.setattr(slices, "AT_ONCE", 1)
    assert covariances(cube()) == pytest.approx(expected)


def test_single_precision_is_counted_in_double():
    z = (cube() + 1e4).float()
    assert covariances(z) == pytest.approx(covariances(z.double()))


def test_on_a_second_device():
    with SecondDevice():
        assert covariances(cube().to(DEVICE)) == pytest.approx(covariances(cube()))
        assert correlations(cube().to(DEVICE)) == pytest.approx(correlations(cube()))


@pytest.mark.parametrize("shape", [(1, 4, 4), (2, 1, 4), (2, 4, 1), (4, 4)])
def test_too_few(shape):
    with pytest.raises(InvalidInput, match="2 or more views, 2 or more images, 2 or more features"):
        covariances(torch.ones(shape))


def test_too_few_slices():
    with pytest.raises(InvalidInput, match=r"slices: is 1; allowed: 2 or more"):
        correlations(cube(), slices=1)
