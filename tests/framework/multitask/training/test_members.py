"""Networks side by side give what each gives by itself."""

import pytest
import torch
from torch import nn

from framework.multitask.networks.build import build
from framework.multitask.networks.config import AbcMLP, AbcStack, Stack
from framework.multitask.training.members import Members, inner_products

NETWORKS = [AbcMLP(width=8, depth=3), Stack(skip=True, linear_skip=3), AbcStack(skip=True)]


@pytest.mark.parametrize("config", NETWORKS, ids=lambda config: config.kind)
@pytest.mark.parametrize("count", [1, 3])
def test_outputs_are_those_of_each(config, count: int):
    torch.manual_seed(0)
    networks = [build(config, "task_0", 1, 7) for _ in range(count)]
    x = torch.randn(count, 5, 1)
    found = Members(networks)(x)
    for member, network in enumerate(networks):
        assert torch.allclose(found[member], network(x[member]), atol=1e-6)


def test_a_member_s_gradient_is_its_own():
    torch.manual_seed(0)
    networks = [build(NETWORKS[0], "task_0", 1, 7) for _ in range(2)]
    members, x = Members(networks), torch.randn(2, 5, 1)
    members(x)[1].square().sum().backward()
    networks[1](x[1]).square().sum().backward()
    for weight, own in zip(members.weights, networks[1].parameters(), strict=True):
        assert weight.grad is not None
        assert float(weight.grad[0].abs().max()) == 0
        assert torch.allclose(weight.grad[1], own.grad, atol=1e-5)


def test_a_member_comes_out_by_name():
    networks = [nn.Linear(2, 3) for _ in range(2)]
    found = Members(networks).state_of(1)
    assert found.keys() == networks[1].state_dict().keys()
    assert torch.equal(found["weight"], networks[1].weight)


def test_buffers_cannot_be_stacked():
    with pytest.raises(TypeError, match="running_mean"):
        Members([nn.BatchNorm1d(2)])


def test_inner_products_are_by_member():
    one, other = [torch.ones(2, 3), torch.ones(2, 2, 2)], [torch.full((2, 3), 2.0), torch.zeros(2, 2, 2)]
    other[0][1] = 5
    assert inner_products(one, other).tolist() == [6, 15]
