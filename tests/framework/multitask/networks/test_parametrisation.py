"""Exponents against values that were worked out by hand, and the equivalence of parametrisations."""

import math

import pytest
import torch
from torch import Tensor

from framework.errors import InvalidInput
from framework.multitask.networks.build import build, rate_factors
from framework.multitask.networks.config import AbcMLP
from framework.multitask.networks.coordinates import coordinate_check, slopes
from framework.multitask.networks.parametrisation import PRESETS, family_of, layer_scalings, preset_exponents

# At n = 16: multiplier, deviation, factor of SGD's rate, factor of Adam's; of first, hidden and last layer.
BY_HAND = {
    "standard": [(1, 1, 1, 1), (1, 1 / 4, 1, 1), (1, 1 / 4, 1, 1)],
    "ntk": [(1, 1, 1, 1 / 4), (1 / 4, 1, 1, 1 / 16), (1 / 4, 1, 1, 1 / 4)],
    "mup": [(4, 1 / 4, 1, 1 / 4), (1, 1 / 4, 1, 1 / 16), (1 / 4, 1 / 4, 1, 1 / 4)],
    "modified_standard": [(1, 1, 4, 1), (1, 1 / 4, 1 / 4, 1 / 16), (1, 1 / 4, 1 / 16, 1 / 16)],
}
ONE = (1, 1, 1, 1)


def numbers(scaling) -> tuple[float, ...]:
    return scaling.multiplier, scaling.deviation, scaling.rate("sgd"), scaling.rate("adam")


def of_network(network) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    return [(numbers(layer.scaling.weight), numbers(layer.scaling.bias)) for layer in network.layers]


@pytest.mark.parametrize("preset", BY_HAND)
def test_presets_by_width(preset: str):
    found = of_network(build(AbcMLP(width=16, depth=4, parametrisation=preset), "", 9, 5))
    first, hidden, last = BY_HAND[preset]
    assert [weight for weight, _ in found] == [first, hidden, hidden, last]
    assert [bias for _, bias in found] == [first, first, first, ONE]


@pytest.mark.parametrize("preset", BY_HAND)
def test_presets_by_fan_in(preset: str):
    """The first layer has 1 input, so that nothing of it scales, as in the seed; biases do not scale either."""
    config = AbcMLP(width=16, depth=4, parametrisation=preset, scale="fan_in")
    _, hidden, last = BY_HAND[preset]
    assert of_network(build(config, "", 1, 5)) == [(ONE, ONE), (hidden, ONE), (hidden, ONE), (last, ONE)]
    first = of_network(build(config, "", 16, 5))[0]
    assert first == (BY_HAND[preset][0], ONE)


def test_complete_p_is_mup_with_branches_divided_by_their_number():
    found = of_network(build(AbcMLP(width=16, depth=5, parametrisation="complete_p", residual=True), "", 9, 5))
    first, (multiplier, deviation, sgd, adam), last = BY_HAND["mup"]
    branch = (multiplier / 3, deviation, sgd * 3, adam)
    bias = (first[0] / 3, first[1], first[2] * 3, first[3])
    assert found == [(first, first), *[(branch, bias)] * 3, (last, ONE)]


def test_explicit_lists_are_the_exponents_of_every_optimiser():
    lists = {"a": (0.25, 0.5), "b": (0.5, 0.75), "c": (-0.5, 1)}
    found = of_network(build(AbcMLP(width=16, depth=2, parametrisation="explicit", **lists), "", 9, 5))
    first = (1 / 2, 1 / 4, 4, 4)
    assert found == [(first, first), ((1 / 4, 1 / 8, 1 / 16, 1 / 16), ONE)]


def test_the_lists_of_the_seed_are_mup():
    lists = {"a": (-0.5, 0, 0, 0, 0, 0.5), "b": (0.5,) * 6, "c": (0,) * 6}
    config = AbcMLP(width=16, depth=6, parametrisation="explicit", scale="fan_in", **lists)
    found = of_network(build(config, "", 1, 7))
    expected = of_network(build(AbcMLP(width=16, depth=6, parametrisation="mup", scale="fan_in"), "", 1, 7))
    assert [weight[:3] for weight, _ in found] == [weight[:3] for weight, _ in expected]


def test_layers_of_different_widths_have_their_own():
    scalings = layer_scalings(preset_exponents("mup", 3), [(1, 4), (4, 16), (16, 2)], [4, 4, 16], "width")
    assert [layer.weight.deviation for layer in scalings] == [1 / 2, 1 / 2, 1 / 4]
    assert [layer.bias.multiplier for layer in scalings] == [2, 4, 1]


@pytest.mark.parametrize("kind", ["lars", "SGD", ""])
def test_optimisers_without_rates_are_refused(kind: str):
    with pytest.raises(InvalidInput, match="allowed: adam, adamw, sgd"):
        family_of(kind)


def shifted(preset: str, optimizer: str, shift: tuple[float, ...]) -> AbcMLP:
    """The preset as explicit lists, moved along equation (2)."""
    times = 2 if optimizer == "sgd" else 1
    own = preset_exponents(preset, len(shift))
    return AbcMLP(
        depth=len(shift),
        bias=False,
        parametrisation="explicit",
        a=tuple(layer.a + t for layer, t in zip(own, shift, strict=True)),
        b=tuple(layer.b - t for layer, t in zip(own, shift, strict=True)),
        c=tuple(getattr(layer, f"c_{optimizer}") - times * t for layer, t in zip(own, shift, strict=True)),
    )


def batch(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    numbers = torch.Generator().manual_seed(0)
    return torch.randn(16, 4, generator=numbers).to(dtype) / 2, torch.randn(16, 3, generator=numbers).to(dtype)


@pytest.mark.parametrize(("optimizer", "rate", "within"), [("sgd", 0.2, 1e-9), ("adam", 0.05, 1e-3)])
@pytest.mark.parametrize("preset", ["ntk", "mup", "modified_standard"])
def test_what_is_equivalent_learns_the_same(preset: str, optimizer: str, rate: float, within: float):
    """With powers of two nothing is rounded; gradients of another size make a difference by Adam's epsilon."""
    steps = [
        coordinate_check(shifted(preset, optimizer, shift), optimizer, rate, *batch(), widths=(16,), seeds=(0,))
        for shift in ((0, 0, 0), (0.5, -0.25, 0.25))
    ]
    assert steps[0].mean_abs.to_numpy() == pytest.approx(steps[1].mean_abs.to_numpy(), rel=within)
    after = steps[0].groupby("step").mean_abs.last()
    assert abs(after[5] / after[0] - 1) > 0.05  # it has learned


def change(preset: str, optimizer: str, rate: float, width: int, depth: int = 3) -> list[float]:
    """The mean change of each layer's pre-activations in one step, means over three networks."""
    x, y = batch()
    found = []
    for seed in range(3):
        options = {"bias": False, "residual": preset == "complete_p"}
        config = AbcMLP(width=width, depth=depth, parametrisation=preset, **options)
        network = build(config, "", 4, 3, generator=torch.Generator().manual_seed(seed)).double()
        before = network.preactivations(x)
        (before[-1] * y).mean().backward()  # errors that do not depend on what the network is
        factors = rate_factors(network, optimizer)
        with torch.no_grad():
            for name, p in network.named_parameters():
                step = p.grad if optimizer == "sgd" else p.grad.sign()
                p.sub_(step, alpha=rate * factors[name])
            after = network.preactivations(x)
            found.append([float((b - a).abs().mean()) for a, b in zip(before, after, strict=True)])
    return [sum(layer) / len(found) for layer in zip(*found, strict=True)]


# What one step changes goes with n to this power: in the first layer, a hidden one, and the outputs.
ORDERS = {
    ("mup", "sgd"): (0, 0, 0),
    ("mup", "adam"): (0, 0, 0),
    ("ntk", "sgd"): (-0.5, -0.5, 0),
    ("ntk", "adam"): (-0.5, -0.5, 0),
    ("modified_standard", "sgd"): (0, 0, 0.5),
    ("modified_standard", "adam"): (0, 0, 0.5),
    ("standard", "sgd"): (-0.5, 0.5, 1),
    ("standard", "adam"): (0, 1, 1.5),
}


@pytest.mark.parametrize(("preset", "optimizer"), ORDERS)
def test_what_a_step_changes_goes_with_the_width_as_derived(preset: str, optimizer: str):
    """Steps so small that the derivation's first order is all there is."""
    widths = (64, 1024)
    small, large = (change(preset, optimizer, 1e-6, width) for width in widths)
    found = [math.log(b / a) / math.log(widths[1] / widths[0]) for a, b in zip(small, large, strict=True)]
    assert found == pytest.approx(ORDERS[preset, optimizer], abs=0.1)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_what_a_step_changes_does_not_go_with_the_depth_in_complete_p(optimizer: str):
    depths = (10, 66)
    small, large = (change("complete_p", optimizer, 1e-6, 64, depth) for depth in depths)
    for a, b in ((small[-2], large[-2]), (small[-1], large[-1])):
        assert abs(math.log(b / a) / math.log(64 / 8)) < 0.1


def test_every_preset_is_tested():
    assert set(PRESETS) == {*BY_HAND, "complete_p"}


def test_outputs_have_one_scale_over_the_width_in_ntk():
    """Their variance in closed form: each ReLU halves that of its inputs, each bias adds 1."""
    x = torch.ones(1, 4) / 2
    expected = (((1 + 1) / 2 + 1) / 2 + 1) / 2 + 1
    for width in (64, 256):
        numbers = torch.Generator().manual_seed(0)
        config = AbcMLP(width=width, depth=4, parametrisation="ntk")
        outputs = torch.stack([build(config, "", 4, 8, generator=numbers)(x) for _ in range(150)])
        assert float(outputs.detach().square().mean()) == pytest.approx(expected, rel=0.15)


def test_outputs_fall_with_the_width_in_mup():
    frame = coordinate_check(AbcMLP(bias=False), "sgd", 0.1, *batch(), widths=(64, 1024), seeds=range(10), steps=0)
    assert slopes(frame).slope.iloc[-1] == pytest.approx(-0.5, abs=0.1)
