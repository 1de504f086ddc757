import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from framework.errors import InvalidInput
from framework.ssl import combine
from framework.ssl.config import STRATEGIES

SEEN = torch.Generator().manual_seed(0)


def cube(views):
    return torch.randn(views, 5, 3, generator=SEEN, dtype=torch.float64)


def asymmetric(z, p):
    """Neither symmetric nor linear, and below zero for some."""
    return (torch.sin(z) * p + 0.3 * p**2 - 0.2 * z).mean()


def in_numpy(z, p):
    return float(np.mean(np.sin(z) * p + 0.3 * p**2 - 0.2 * z))


def mean(arrays):
    arrays = list(arrays)
    total = np.zeros_like(arrays[0])
    for array in arrays:
        total = total + array
    return total / len(arrays)


def twin(strategy, d, z, p):  # noqa: PLR0911
    """Each formula with loops, over lists of arrays (B, F)."""
    V = len(z)
    every = range(V)
    if strategy == "none":
        return (d(z[1], p[0]) + d(z[0], p[1])) / 2
    if strategy == "fastsim":
        return sum(d(mean(z[j] for j in every if j != i), p[i]) for i in every) / V
    if strategy == "pair-pair":
        return sum(d(z[j], p[i]) for i in every for j in every if i != j) / (V * V / 2)
    if strategy == "1_n":
        return sum(d(z[j], p[0]) for j in every if j != 0) / (V - 1)
    if strategy == "1_mean":
        return d(mean(z[1:]), p[0])
    if strategy == "mean_n":
        return sum(d(mean(z), p[i]) for i in every) / V
    if strategy == "n_mean":
        return d(z[0], mean(p))
    if strategy == "n_mean_sym":
        return (d(mean(z), p[0]) + d(z[0], mean(p))) / 2
    if strategy == "me_me":
        half = V // 2
        return d(mean(z[half : 2 * half]), mean(p[:half]))
    if strategy == "std_view":
        return math.sqrt(sum(d(mean(z), p[i]) ** 2 for i in every) / V)
    return sum(math.exp(2 * d(mean(z), p[i])) for i in every) / V


@pytest.mark.parametrize("views", [2, 3, 4, 5, 10])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_is_its_formula(strategy, views):
    z, p = cube(views), cube(views)
    if strategy == "none" and views > 2:
        with pytest.raises(InvalidInput, match=f"there are {views}, but strategy=none takes 2"):
            combine(strategy, asymmetric, z, p)
        return
    expected = twin(strategy, in_numpy, list(z.numpy()), list(p.numpy()))
    assert combine(strategy, asymmetric, z, p).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("strategy", ["none", "fastsim", "pair-pair"])
def test_of_two_views_these_are_the_standard_symmetric_loss(strategy):
    z, p = cube(2), cube(2)
    standard = (asymmetric(z[1], p[0]) + asymmetric(z[0], p[1])) / 2
    torch.testing.assert_close(combine(strategy, asymmetric, z, p), standard)


@pytest.mark.parametrize("strategy", ["1_n", "1_mean", "me_me"])
def test_of_two_views_these_are_its_first_half(strategy):
    z, p = cube(2), cube(2)
    torch.testing.assert_close(combine(strategy, asymmetric, z, p), asymmetric(z[1], p[0]))

    def symmetric(a, b):
        return -cosine_similarity(a, b).mean()

    standard = (symmetric(z[1], z[0]) + symmetric(z[0], z[1])) / 2
    torch.testing.assert_close(combine(strategy, symmetric, z, z), standard)


@pytest.mark.parametrize("strategy", ["mean_n", "n_mean", "n_mean_sym", "std_view", "var_view"])
def test_of_two_views_these_differ(strategy):
    z, p = cube(2), cube(2)
    standard = (asymmetric(z[1], p[0]) + asymmetric(z[0], p[1])) / 2
    assert abs(combine(strategy, asymmetric, z, p) - standard) > 1e-3


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_gradients_are_finite_where_all_views_agree(strategy):
    z = torch.ones(2, 5, 3, dtype=torch.float64)
    p = z.clone().requires_grad_()
    combine(strategy, lambda a, b: (a - b).square().mean(), z, p).backward()
    assert p.grad.isfinite().all()


def test_words_for_what_cannot_be_combined():
    with pytest.raises(InvalidInput, match=r"strategy: is 'fastsm'; did you mean `fastsim`\?"):
        combine("fastsm", asymmetric, cube(3), cube(3))
    with pytest.raises(InvalidInput, match=r"\(3, 5, 3\) and \(2, 5, 3\); allowed: twice \(V, B, F\)"):
        combine("mean_n", asymmetric, cube(3), cube(2))
    with pytest.raises(InvalidInput, match="views: there is one"):
        combine("mean_n", asymmetric, cube(1), cube(1))
