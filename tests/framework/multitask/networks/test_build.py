"""From configs to networks, for each task, and the factors of their rates."""

import pytest
import torch
from torch import nn

from framework.errors import ConfigError, InvalidInput
from framework.multitask.networks.build import build, rate_factors
from framework.multitask.networks.config import AbcMLP, AbcStack, Stack


def test_each_task_gets_its_own_values():
    config = AbcMLP(width={"one": 4, "other": 8}, depth={"one": 2, "other": 3})
    assert [layer.weight.shape for layer in build(config, "one", 1, 2).layers] == [(1, 4), (4, 2)]
    assert [layer.weight.shape for layer in build(config, "other", 1, 2).layers] == [(1, 8), (8, 8), (8, 2)]


def test_a_task_that_is_left_out_is_told():
    config = Stack(depth={"one": 1, "other": 2}, skip={"one": True})
    with pytest.raises(ConfigError, match="skip: has nothing for other; it has: one") as error:
        build(config, "other", 1, 2)
    assert len(error.value.problems) == 1


@pytest.mark.parametrize("config", [AbcMLP(width=8), AbcStack(skip=True, linear_skip=3)])
def test_a_generator_gives_the_same_network_again(config):
    first, again = (
        build(config, "", 3, 2, generator=torch.Generator().manual_seed(3)).state_dict() for _ in range(2)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_rates_follow_c():
    """mup at width 16, Adam: 16^-1/2 for first layer, biases and last layer, 1/16 for hidden weights."""
    network = build(AbcMLP(width=16, depth=3), "", 3, 2)
    assert rate_factors(network, "adam") == {
        "layers.0.weight": 1 / 4,
        "layers.0.bias": 1 / 4,
        "layers.1.weight": 1 / 16,
        "layers.1.bias": 1 / 4,
        "layers.2.weight": 1 / 4,
        "layers.2.bias": 1,
    }
    assert rate_factors(network, "adamw") == rate_factors(network, "adam")
    assert set(rate_factors(network, "sgd").values()) == {1}


def test_a_step_is_the_rate_times_its_factor():
    network = build(AbcMLP(width=16, depth=3, parametrisation="modified_standard"), "", 3, 2)
    factors = rate_factors(network, "sgd")
    assert [factors[f"layers.{i}.weight"] for i in range(3)] == [4, 1 / 4, 1 / 16]
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    groups = [{"params": [p], "lr": 0.5 * factors[name]} for name, p in network.named_parameters()]
    network(torch.ones(4, 3)).sum().backward()
    torch.optim.SGD(groups).step()
    for name, p in network.named_parameters():
        torch.testing.assert_close(p.detach(), before[name] - 0.5 * factors[name] * p.grad)


def test_plain_layers_have_the_rate_itself():
    mixed = nn.ModuleDict({"abc": build(AbcMLP(width=16), "", 3, 2), "plain": nn.Linear(2, 2)})
    factors = rate_factors(mixed, "adam")
    assert factors["plain.weight"] == 1
    assert factors["abc.layers.1.weight"] == 1 / 16
    assert set(rate_factors(build(Stack(), "", 3, 2), "lars").values()) == {1}


def test_an_optimiser_without_rates_is_refused():
    with pytest.raises(InvalidInput, match="allowed: adam, adamw, sgd"):
        rate_factors(build(AbcMLP(width=16), "", 3, 2), "lars")


def test_rates_of_a_stack_follow_each_layer():
    network = build(AbcStack(bottleneck_width=4, variable_width=16, linear_skip=2), "", 3, 2)
    factors = rate_factors(network, "adam")
    names = [f"cores.{i}.{layer}.weight" for i in (0, 1) for layer in ("first", "second", "linear_skip")]
    assert [factors[name] for name in names] == [1 / 4, 1 / 16, 1 / 4, 1 / 4, 1 / 4, 1 / 4]
