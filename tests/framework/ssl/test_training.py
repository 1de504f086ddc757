"""What a method does while it is trained: gradients, momentum, precision, state, seeds, and what it refuses."""

import copy
import math

import pytest
import torch
from lightly.utils.scheduler import cosine_schedule
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import normalize

from framework.errors import InvalidInput
from framework.ssl import build
from framework.ssl.config import CONFIGS, STRATEGIES
from framework.ssl.parts import Dense, Torchvision
from tests.framework.ssl.conftest import BACKBONE, PAIRWISE, SHAPE, tiny, views_of


def gradients(method):
    method.zero_grad()
    views = views_of(method)
    torch.manual_seed(0)
    method.loss(views).total.backward()
    return {name: copy.deepcopy(parameter.grad) for name, parameter in method.named_parameters()}


@pytest.mark.parametrize("kind", CONFIGS)
def test_gradients_reach_what_is_trained_and_nothing_else(kind):
    method = tiny(kind)
    for name, gradient in gradients(method).items():
        if name.startswith("target_"):
            assert gradient is None
            assert not method.get_parameter(name).requires_grad
        else:
            assert gradient is not None, name
            assert gradient.isfinite().all()


@pytest.mark.parametrize("kind", ["simsiam", "fastsiam", "barlow_twins"])
def test_a_stopped_gradient_is_that_of_constant_targets(kind):
    """Against the gradient with the targets put in as numbers."""
    stopped = tiny(kind, stop_gradient=True)
    flowing = tiny(kind, stop_gradient=False)
    found, other = gradients(stopped), gradients(flowing)
    assert any(not torch.allclose(found[name], other[name], rtol=1e-3) for name in found)
    views = views_of(flowing)
    constant = torch.stack([flowing.project(flowing.encode(view)) for view in views]).detach()
    flowing.targets = lambda *_: constant
    for name, gradient in gradients(flowing).items():
        torch.testing.assert_close(gradient, found[name])


def test_the_momentum_encoder_moves_by_its_share():
    method = tiny("byol", momentum=0.9, momentum_schedule="constant")
    pairs = [(method.backbone, method.target_backbone), (method.projection, method.target_projection)]
    for online, target in pairs:
        for a, b in zip(online.parameters(), target.parameters(), strict=True):
            assert torch.equal(a, b)
            nn.init.normal_(a)
    before = [[p.clone() for p in target.parameters()] for _, target in pairs]
    method.loss(views_of(method), 3, 10)
    method.after_step()
    for (online, target), old in zip(pairs, before, strict=True):
        for a, b, was in zip(online.parameters(), target.parameters(), old, strict=True):
            torch.testing.assert_close(b, 0.9 * was + 0.1 * a)


def test_the_momentum_grows_by_a_cosine():
    method = tiny("byol")
    for step in range(10):
        method.loss(views_of(method), step, 10)
        assert method.momentum == pytest.approx(cosine_schedule(step, 10, 0.99, 1.0))
    assert method.momentum_at(0, 10) == 0.99
    assert method.momentum_at(9, 10) == method.momentum_at(25, 10) == 1.0
    assert tiny("moco").momentum_at(9, 10) == 0.99


def test_without_a_number_of_steps_the_momentum_is_constant():
    method = tiny("byol")
    assert method.momentum_at(0, None) == method.momentum_at(500, None) == 0.99
    method.loss(views_of(method), 500)
    assert method.momentum == 0.99


@pytest.mark.parametrize("steps", [2, 7])
def test_the_momentum_is_that_of_the_equation(steps):
    """Equation (2) of `byol.py`."""
    method = tiny("byol")
    for k in range(steps):
        expected = 1 - (1 - 0.99) * (math.cos(math.pi * k / (steps - 1)) + 1) / 2
        assert method.momentum_at(k, steps) == pytest.approx(expected, abs=1e-12)
    assert method.momentum_at(0, 1) == 1


def test_without_momentum_there_is_no_second_encoder():
    method = tiny("byol", momentum=None)
    assert not any(name.startswith("target_") for name in method.state_dict())
    before = copy.deepcopy(method.state_dict())
    method.after_step()
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
@pytest.mark.parametrize("kind", PAIRWISE)
def test_every_strategy_for_every_method_that_takes_it(kind, strategy):
    method = tiny(kind, views=3, strategy=strategy)
    losses = method.loss(views_of(method, 4))
    losses.total.backward()
    assert losses.total.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())


@pytest.mark.parametrize("kind", CONFIGS)
def test_ten_views(kind):
    options = {"strategy": "mean_n"} if kind in PAIRWISE else {}
    bank = {"memory_bank_size": 80} if kind == "moco" else {}
    method = tiny(kind, views=10, **options, **bank)
    assert method.loss(views_of(method)).total.isfinite()


@pytest.mark.parametrize("kind", CONFIGS)
def test_autocasting_to_bfloat16(kind):
    method = tiny(kind)
    views = views_of(method)
    torch.manual_seed(0)
    expected = copy.deepcopy(method).loss(views).total
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        losses = method.loss(views)
    losses.total.backward()
    assert losses.total.dtype == torch.float32
    assert losses.total.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())
    torch.testing.assert_close(losses.total, expected, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("kind", CONFIGS)
def test_a_whole_method_in_another_precision(kind, dtype):
    method = tiny(kind).to(dtype)
    losses = method.loss(views_of(method).to(dtype))
    losses.total.backward()
    assert losses.total.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert losses.total.isfinite()


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_state_is_whole(kind):
    method, other = tiny(kind), tiny(kind, seed=9)
    views = views_of(method)
    optimiser = torch.optim.SGD(method.parameters(), 0.1)
    torch.manual_seed(0)
    method.loss(views, 0, 4).total.backward()
    optimiser.step()
    method.after_step()
    other.load_state_dict(method.state_dict())
    totals = []
    for each in (method, other):
        torch.manual_seed(1)
        totals.append(each.loss(views, 1, 4).total)
    assert torch.equal(*totals)


@pytest.mark.parametrize("kind", CONFIGS)
def test_equal_seeds_give_equal_methods(kind):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first, second, third = tiny(kind, seed=-5), tiny(kind, seed=-5), tiny(kind, seed=6)
    assert torch.equal(torch.rand(1), expected)  # the state outside is left as it was
    states = [each.state_dict() for each in (first, second, third)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])


def standard_deviation(method, steps=60):
    """That of normalised projections of the digits over the batch, times √F, after some steps."""
    images = torch.tensor(load_digits().images[:128, None] / 16, dtype=torch.float32)
    optimiser = torch.optim.SGD(method.parameters(), 0.2, momentum=0.9)
    numbers = torch.Generator().manual_seed(0)
    for step in range(steps):
        views = [images + 0.3 * torch.randn(images.shape, generator=numbers) for _ in range(2)]
        optimiser.zero_grad()
        method.loss(views, step, steps).total.backward()
        optimiser.step()
        method.after_step()
    with torch.no_grad():
        projections = normalize(method.project(method.encode(images)), dim=1)
    return float(projections.std(0).mean()) * projections.shape[1] ** 0.5


@pytest.mark.parametrize(
    ("options", "collapses"),
    [
        ({}, False),
        ({"stop_gradient": False}, True),
        ({"predictor": None}, True),
        ({"stop_gradient": False, "predictor": None}, True),
    ],
)
def test_without_stopped_gradient_or_predictor_it_collapses(options, collapses):
    values = {"projection": {"hidden": [64], "output": 32, "output_norm": "none"}, "predictor": {"hidden": [16]}}
    config = CONFIGS["simsiam"].parse({**values, **options})
    found = standard_deviation(build(config, SHAPE, 0, Dense(hidden=(64,))))
    assert found < 0.3 if collapses else found > 0.7


# What is refused.


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_batch_of_one(kind):
    method = tiny(kind)
    with pytest.raises(InvalidInput, match="batch: has 1 image, and all methods compare images with one another"):
        method.loss(views_of(method, 1))


def test_views_that_do_not_belong_together():
    method = tiny("simclr")
    views = views_of(method)
    with pytest.raises(InvalidInput, match="views: there are 1; allowed: 2, as in the method's config"):
        method.loss(views[:1])
    with pytest.raises(InvalidInput, match=r"shapes \(8, 1, 8, 8\), \(7, 1, 8, 8\); allowed: \(B, 1, H, W\)"):
        method.loss([views[0], views[1, :7]])
    with pytest.raises(InvalidInput, match=r"\(8, 3, 8, 8\)"):
        method.loss(views.repeat(1, 1, 3, 1, 1))


def test_views_may_differ_in_size():
    method = tiny("lejepa", views=3, global_views=1)
    sizes = [(8, 1, 8, 8), (8, 1, 6, 6), (8, 1, 4, 4)]
    assert method.loss([torch.rand(size) for size in sizes]).total.isfinite()


@pytest.mark.parametrize("backbone", [Dense(), Torchvision(name="vit_b_32")])
def test_views_of_another_size_than_the_backbone_takes(backbone):
    side = 8 if isinstance(backbone, Dense) else 32
    method = tiny("simclr", backbone=backbone, shape=(1, side, side))
    good, other = torch.rand(4, 1, side, side), torch.rand(4, 1, side, 2 * side)
    assert method.loss([good, good]).total.isfinite()
    for views in ([other, other], [good, other]):
        with pytest.raises(InvalidInput, match=rf"takes images of one size; allowed: \(B, 1, {side}, {side}\)"):
            method.loss(views)


@pytest.mark.parametrize(
    ("dtype", "told"),
    [
        (torch.uint8, r"views: have torch\.uint8, and the weights torch\.float32; .* views\.float\(\) / 255"),
        (torch.float64, r"views: have torch\.float64, .*; allowed: torch\.float32, for instance views\.to\("),
        (torch.float16, r"views: have torch\.float16"),
        (torch.int64, r"views: have torch\.int64"),
    ],
)
def test_views_of_other_numbers_than_the_weights(dtype, told):
    method = tiny("simclr")
    views = views_of(method)
    with pytest.raises(InvalidInput, match=told):
        method.loss(views.to(dtype))
    with pytest.raises(InvalidInput, match=told):
        method.loss([views[0], views[1].to(dtype)])
    with pytest.raises(InvalidInput, match=told.replace("views", "images")):
        method.encode(views[0].to(dtype))
    with pytest.raises(InvalidInput, match=r"views: are ndarray, ndarray; allowed: tensors"):
        method.loss([view.numpy() for view in views])


def test_casting_takes_views_of_both_precisions():
    method = tiny("simclr")
    for dtype in (torch.float32, torch.bfloat16):
        with torch.autocast("cpu", torch.bfloat16):
            assert method.loss(views_of(method).to(dtype)).total.isfinite()


def test_no_seed():
    with pytest.raises(InvalidInput, match=r"seed: is 0\.5"):
        build(CONFIGS["simclr"](), SHAPE, 0.5, BACKBONE)
