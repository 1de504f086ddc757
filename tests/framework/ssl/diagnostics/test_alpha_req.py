import math

import numpy as np
import pytest
import torch
from reptrix.alpha import get_alpha

from framework.errors import InvalidInput
from framework.ssl.diagnostics.alpha_req import alpha_req
from tests.framework.ssl.diagnostics.conftest import with_covariance
from tests.second_device import DEVICE, SecondDevice


def power(alpha, count):
    return torch.arange(1, count + 1, dtype=torch.float64) ** -alpha


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.5])
@pytest.mark.parametrize("count", [2, 10, 30, 120])
def test_a_power_law_has_its_exponent(alpha, count):
    found = alpha_req(with_covariance(power(alpha, count), count + 40))
    assert float(found) == found.alpha == pytest.approx(alpha, abs=1e-6)
    assert found.ranks == ((11 if count >= 20 else 1), min(count, 100))
    if alpha:
        assert found.r2 == pytest.approx(1)


def test_against_reptrix():
    features = torch.randn(300, 150, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    features = features * torch.linspace(3, 0.1, 150)
    assert alpha_req(features).alpha == pytest.approx(get_alpha(features)[0], rel=1e-5)
    expected = get_alpha(features, fit_range=np.arange(4, 60))[0]
    assert alpha_req(features, ranks=(5, 60)).alpha == pytest.approx(expected, rel=1e-5)


def test_fewer_images_than_features():
    features = torch.randn(40, 200, generator=torch.Generator().manual_seed(0))
    assert alpha_req(features).ranks == (11, 39)


@pytest.mark.parametrize(
    "features", [torch.full((9, 5), 0.1), torch.zeros(9, 5), torch.ones(9, 5) * torch.arange(9)[:, None]]
)
def test_what_varies_along_one_direction_at_most(features):
    found = alpha_req(features)
    assert found.alpha == math.inf
    assert math.isnan(found.r2)


def test_on_a_second_device():
    with SecondDevice():
        features = torch.randn(50, 12, generator=torch.Generator().manual_seed(0))
        assert alpha_req(features.to(DEVICE)).alpha == pytest.approx(alpha_req(features).alpha)


@pytest.mark.parametrize("ranks", [(0, 5), (5, 5), (3,), (1.5, 4), (7, 3)])
def test_ranks_that_are_none(ranks):
    with pytest.raises(InvalidInput, match=r"ranks: is .*; allowed: a pair, 1 ≤ first < last"):
        alpha_req(torch.randn(20, 6), ranks=ranks)


def test_ranks_beyond_the_spectrum():
    with pytest.raises(InvalidInput, match=r"ranks: is \(6, 9\), and 6 eigenvalues are positive"):
        alpha_req(torch.randn(20, 6, generator=torch.Generator().manual_seed(0)), ranks=(6, 9))


def test_a_single_row():
    with pytest.raises(InvalidInput, match="2 or more rows"):
        alpha_req(torch.ones(1, 3))
