"""Stacks against their formula: sizes, skips, scalings."""

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from framework.multitask.networks.build import build
from framework.multitask.networks.config import AbcStack, Stack

SIZES = {"bottleneck_width": 5, "variable_width": 8}
X = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def made(config: Stack | AbcStack, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build(config, "", 3, 2).double()


@pytest.mark.parametrize("section", [Stack, AbcStack])
@pytest.mark.parametrize(
    ("depth", "skip", "linear_skip"), [*itertools.product((1, 2, 3), (False, True), (None, 4))]
)
def test_its_parameters_and_outputs(section, depth: int, skip: bool, linear_skip: int | None):
    network = made(section(depth=depth, skip=skip, linear_skip=linear_skip, **SIZES))
    ends = [3, *[5] * (depth - 1), 2]
    expected = 0
    for inputs, outputs in itertools.pairwise(ends):
        read = 8 + (inputs if skip else 0) + (linear_skip or 0)
        expected += (inputs + 1) * 8 + (read + 1) * outputs + (inputs + 1) * (linear_skip or 0)
    assert sum(p.numel() for p in network.parameters()) == expected
    assert network(X).shape == (6, 2)


@pytest.mark.parametrize(("skip", "linear_skip"), [*itertools.product((False, True), (None, 4))])
def test_a_stack_is_the_formula(skip: bool, linear_skip: int | None):
    network = made(Stack(skip=skip, linear_skip=linear_skip, bottleneck_activation="tanh", **SIZES))
    x = X
    for i, core in enumerate(network.cores):
        parts = [torch.relu(x @ core.first.weight.T + core.first.bias)]
        parts += [x] if skip else []
        parts += [x @ core.linear_skip.weight.T + core.linear_skip.bias] if linear_skip else []
        x = torch.cat(parts, dim=1) @ core.second.weight.T + core.second.bias
        x = x if i else torch.tanh(x)
    torch.testing.assert_close(network(X), x)


def test_a_core_without_skips_forgets_what_its_hidden_layer_does_not_see():
    """With the first layer at zero, inputs come through skips alone."""
    for skip, linear_skip in itertools.product((False, True), (None, 4)):
        network = made(Stack(depth=1, skip=skip, linear_skip=linear_skip, **SIZES))
        nn.init.zeros_(network.cores[0].first.weight)
        differs = not torch.allclose(network(X), network(X.flip(0)))
        assert differs is (skip or linear_skip is not None)


def test_an_abc_stack_is_the_formula():
    """muP: the first layer by sqrt(8), the last by 1 / sqrt(8); biases by the root of their layer's outputs."""
    network = made(AbcStack(skip=True, linear_skip=4, **SIZES))
    one, two = network.cores
    f, n, m = torch.relu, 8**0.5, 5**0.5
    skip = n * (X @ one.linear_skip.weight + one.linear_skip.bias)
    parts = [f(n * (X @ one.first.weight + one.first.bias)), X, skip]
    z = torch.cat(parts, dim=1) @ one.second.weight + m * one.second.bias
    parts = [
        f(z @ two.first.weight + n * two.first.bias),
        z,
        z @ two.linear_skip.weight + n * two.linear_skip.bias,
    ]
    y = torch.cat(parts, dim=1) @ two.second.weight / n + two.second.bias
    torch.testing.assert_close(network(X), y)


def test_an_abc_stack_draws_each_layer_by_what_it_reads():
    network = build(AbcStack(bottleneck_width=64, variable_width=256, depth=3), "", 40, 30)
    deviations = [
        float(layer.weight.detach().std()) for core in network.cores for layer in (core.first, core.second)
    ]
    assert deviations == pytest.approx([1 / 16, 1 / 16, 1 / 8, 1 / 16, 1 / 8, 1 / 16], rel=0.03)


def test_an_abc_stack_by_fan_in_counts_what_skips_bring():
    config = AbcStack(depth=1, skip=True, linear_skip=4, scale="fan_in", parametrisation="standard", **SIZES)
    core = build(config, "", 4, 2).cores[0]
    assert core.second.scaling.weight.deviation == 16**-0.5
    assert core.first.scaling.weight.n == 4


def test_outputs_can_begin_at_zero():
    network = made(AbcStack(zero_output=True, **SIZES))
    assert not network(X).any()
    assert network.cores[0](X).all()


@pytest.mark.parametrize("config", [Stack(skip=True, linear_skip=4), AbcStack(skip=True, linear_skip=4)])
def test_stacked_networks_are_each_by_itself(config: Stack | AbcStack):
    networks = [made(config, seed) for seed in range(3)]
    parameters, buffers = stack_module_state(networks)

    def call(state: dict[str, Tensor], more: dict[str, Tensor]) -> Tensor:
        return functional_call(networks[0], (state, more), (X,))

    found = vmap(call)(parameters, buffers)
    torch.testing.assert_close(found, torch.stack([network(X) for network in networks]))
