"""The fully connected network against its formula."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from framework.multitask.networks.build import build
from framework.multitask.networks.config import AbcMLP

ACTIVATIONS = {"relu": torch.relu, "gelu": nn.functional.gelu, "tanh": torch.tanh, "identity": lambda x: x}
X = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def network(seed: int = 0, outputs: int = 2, **options: object) -> nn.Module:
    config = AbcMLP(width=8, **options)
    return build(config, "", 3, outputs, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_it_is_the_formula(activation: str, residual: bool):
    made = network(activation=activation, residual=residual, depth=4)
    f = ACTIVATIONS[activation]
    n = 8**0.5
    one, two, three, four = made.layers
    h = n * (X @ one.weight) + n * one.bias
    seen = [h]
    for layer in (two, three):
        h = (h if residual else 0) + f(h) @ layer.weight + n * layer.bias
        seen.append(h)
    seen.append(f(h) @ four.weight / n + four.bias)
    torch.testing.assert_close(made.preactivations(X), seen)
    torch.testing.assert_close(made(X), seen[-1])


def test_branches_of_complete_p_are_divided_by_their_number():
    made = network(depth=6, parametrisation="complete_p", residual=True)
    seen = made.preactivations(X)
    two = made.layers[1]
    branch = torch.relu(seen[0]) @ two.weight + 8**0.5 * two.bias
    torch.testing.assert_close(seen[1], seen[0] + branch / 4)


@pytest.mark.parametrize(("depth", "bias"), [(2, True), (6, True), (4, False)])
def test_its_parameters(depth: int, bias: bool):
    made = network(depth=depth, bias=bias)
    weights = 3 * 8 + (depth - 2) * 8 * 8 + 8 * 2
    assert sum(p.numel() for p in made.parameters()) == weights + bias * (8 * (depth - 1) + 2)
    assert made(X).shape == (6, 2)


def test_outputs_can_begin_at_zero():
    assert not network(zero_output=True)(X).any()
    assert torch.equal(network(zero_output=True).layers[0].weight, network().layers[0].weight)


def test_stacked_networks_are_each_by_itself():
    made = [network(seed, parametrisation="ntk") for seed in range(3)]
    parameters, buffers = stack_module_state(made)
    base = made[0]

    def loss(state: dict[str, Tensor], more: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(base, (state, more), (x,)).square().sum()

    found = vmap(grad(loss), in_dims=(0, 0, None))(parameters, buffers, X)
    for i, each in enumerate(made):
        each(X).square().sum().backward()
        for name, parameter in each.named_parameters():
            torch.testing.assert_close(found[name][i], parameter.grad)
