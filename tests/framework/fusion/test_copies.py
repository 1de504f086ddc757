import copy

import pytest
import torch
from torch import nn

from framework.errors import InvalidInput
from framework.fusion import fuse
from framework.fusion.alignment import options_of, plans
from framework.fusion.copies import holding
from framework.fusion.fusing import mean_of
from framework.fusion.task import Task, refuse_values
from tests.framework.fusion.zoo import NAMES, images, module


def addresses(made):
    return {tensor.data_ptr() for tensor in made.state_dict().values()}


def test_a_copy_holds_the_state_and_nothing_of_the_module():
    made, other = module("resnet18 with norm"), module("resnet18 with norm", seed=5)
    made.train()
    made.linear.requires_grad_(False)
    state = {name: tensor.double() for name, tensor in other.state_dict().items()}
    held = holding(made, state)
    assert held.training
    assert [p.requires_grad for p in held.parameters()] == [p.requires_grad for p in made.parameters()]
    assert list(held.state_dict()) == list(made.state_dict())
    for name, tensor in held.state_dict().items():
        assert tensor.dtype == made.state_dict()[name].dtype
        assert torch.equal(tensor, other.state_dict()[name])
    assert not addresses(held) & addresses(made)


def test_a_copy_keeps_the_order_in_memory():
    made = module("residual").to(memory_format=torch.channels_last)
    held = holding(made, module("residual", seed=5).state_dict())
    assert held.outer.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(held.outer.weight, module("residual", seed=5).outer.weight)


def test_state_that_does_not_fit_is_told_by_torch():
    made = module("mlp")
    with pytest.raises(RuntimeError, match="size mismatch for head"):
        holding(made, made.state_dict() | {"head.weight": torch.zeros(2, 2)})


@pytest.mark.filterwarnings("ignore:there are 16 inputs")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("weights", [None, [1.0, 0.0], [0.0, 1.0]])
def test_what_is_made_shares_no_memory_with_its_parents(name, weights):
    parents = [module(name), module(name, seed=5)]
    before = [copy.deepcopy(parent.state_dict()) for parent in parents]
    made = [
        fuse(parents, inputs=images(), weights=weights),
        mean_of(parents, weights or [0.5, 0.5]),
        plans(Task.of(*parents, images()), options_of("ot", {})).moved(*parents),
    ]
    with torch.no_grad():
        for tensor in (tensor for one in made for tensor in one.state_dict().values()):
            tensor.fill_(7)
    for parent, state in zip(parents, before, strict=True):
        assert all(torch.equal(tensor, state[key]) for key, tensor in parent.state_dict().items())


def test_numbers_whose_sum_overflows_are_finite():
    made = nn.Linear(2, 2)
    with torch.no_grad():
        made.weight.fill_(3e38)
    refuse_values({"model": made})
    for value in (float("inf"), float("nan")):
        made.weight.data[0, 0], made.weight.data[0, 1] = value, -value
        with pytest.raises(InvalidInput, match=r"model\.weight: holds NaN"):
            refuse_values({"model": made})
