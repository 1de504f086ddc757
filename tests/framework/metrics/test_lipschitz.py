import math

import pytest
import torch
from torch import nn

from framework.errors import InvalidInput
from framework.metrics.lipschitz import LIPSCHITZ, lipschitz_lower_estimate
from framework.metrics.spaces_config import LipschitzConfig
from tests.framework.metrics.networks import convolutional, numbers
from tests.framework.threads import one_thread

__all__ = ["one_thread"]

SHAPE = (1, 3, 4)


def linear(bias=True):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 7, bias=bias), nn.Linear(7, 5, bias=bias)).double()


def estimate(model, shape=SHAPE, seed=0, points=None, **config):
    return lipschitz_lower_estimate(model, shape, LipschitzConfig(**config), seed=seed, points_QCHW=points)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_of_a_linear_network_it_is_the_spectral_norm(bias, seed):
    model = linear(bias)
    expected = float(torch.linalg.matrix_norm((model[2].weight @ model[1].weight).detach(), 2))
    found = estimate(model, seed=seed, max_iterations=5000)
    assert found.converged
    assert found.value == pytest.approx(expected, rel=1e-6)
    far = torch.randn(3, *SHAPE, generator=numbers(1), dtype=torch.float64)
    assert estimate(model, seed=seed, points=far, max_iterations=5000).value == pytest.approx(expected, rel=1e-6)
    assert estimate(model.float(), seed=seed).value == pytest.approx(expected, rel=1e-4)


def test_it_is_never_above_the_constant():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 30), nn.ReLU(), nn.Linear(30, 5)).double()
    above = math.prod(float(torch.linalg.matrix_norm(model[i].weight.detach(), 2)) for i in (1, 3))
    random = torch.randn(1000, *SHAPE, generator=numbers(1), dtype=torch.float64)
    random /= random.flatten(1).norm(dim=1)[:, None, None, None]
    with torch.no_grad():
        met = (model(random) - model(torch.zeros(1, *SHAPE).double())).norm(dim=1).max()
    assert float(met) < estimate(model).value <= above


def test_more_points_are_never_less():
    model = convolutional()
    origin = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    images = torch.randn(4, 1, 8, 8, generator=numbers(2), dtype=torch.float64)
    alone = estimate(model, (1, 8, 8)).value
    assert estimate(model, (1, 8, 8), points=origin).value == alone
    assert estimate(model, (1, 8, 8), points=torch.cat([origin, images])).value >= 0.9 * alone


def test_flat_logits_have_a_constant_of_zero():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 5)).requires_grad_(False)
    model[1].weight.zero_()
    found = estimate(model)
    assert (found.value, found.converged) == (0, True)


def test_the_same_seed_gives_the_same_and_the_model_is_left_alone():
    model = convolutional().train()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [part.training for part in model.modules()]
    first, second = (estimate(model, (1, 8, 8), seed=4, max_iterations=20) for _ in range(2))
    assert first == second != estimate(model, (1, 8, 8), seed=5, max_iterations=20)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert [part.training for part in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()][:2] == [False, True]
    assert all(p.grad is None for p in model.parameters())


def test_bad_input_is_refused():
    model = linear()
    with pytest.raises(InvalidInput, match=r"points: has shape \(2, 5\); allowed: .*\(Q, 1, 3, 4\)"):
        estimate(model, points=torch.zeros(2, 5))
    with torch.no_grad():
        model[1].weight[0, 0] = math.nan
    with pytest.raises(InvalidInput, match="check its weights for NaN"):
        estimate(model)


def test_the_metric_declares_what_it_is():
    assert LIPSCHITZ.better == "lower"
    assert "lower_estimate" in LIPSCHITZ.name
