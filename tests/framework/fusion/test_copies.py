import copy

import pytest
import torch
from torch import nn

from framework.errors import InvalidInput
from framework.fusion import features, fuse
from framework.fusion.alignment import options_of, plans
from framework.fusion.copies import holding
from framework.fusion.fusing import mean_of
from framework.fusion.structure import structure_of
from framework.fusion.symmetry import permuted, random_plans
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


@pytest.mark.parametrize("name", ["residual", "resnet18", "attention", "grouped"])
def test_what_is_kept_between_sweeps_changes_no_plan(name, monkeypatch):
    reference, model = module(name), module(name, seed=5)
    structure = structure_of(reference, images())
    near = permuted(reference, structure.bases, random_plans(structure.bases, 3))
    with torch.no_grad():
        for parameter in near.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    for other in (model, near):
        task = Task.of(reference, other, images(), target=structure)
        found = plans(task, options_of("ot", {}))
        with monkeypatch.context() as patch:
            patch.setattr(features, "ROOM", 0)
            patch.setattr("framework.fusion.layerwise.same_objects", lambda first, second: False)
            anew = plans(task, options_of("ot", {}))
        assert [row["cost"] for row in found.rows()] == [row["cost"] for row in anew.rows()]
        for key, plan in found.plans.items():
            assert torch.equal(plan.matrix(), anew.plans[key].matrix())


def test_what_has_not_changed_is_not_found_again(monkeypatch):
    reference = module("resnet18")
    structure = structure_of(reference, images())
    model = permuted(reference, structure.bases, random_plans(structure.bases, 3))
    seen = []
    with torch.no_grad():
        for parameter in model.parameters():  # rows that are equal need no products at all
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    product = features.Weights.product
    monkeypatch.setattr(
        features.Weights, "product", lambda self, *args: seen.append(args[1].name) or product(self, *args)
    )
    plans(Task.of(reference, model, images(), target=structure), options_of("ot", {}))
    assert max(map(seen.count, seen)) <= 2
    seen.clear()
    plans(Task.of(reference, permuted(reference, structure.bases, {}), images()), options_of("ot", {}))
    assert not seen


def test_numbers_whose_sum_overflows_are_finite():
    made = nn.Linear(2, 2)
    with torch.no_grad():
        made.weight.fill_(3e38)
    refuse_values({"model": made})
    for value in (float("inf"), float("nan")):
        made.weight.data[0, 0], made.weight.data[0, 1] = value, -value
        with pytest.raises(InvalidInput, match=r"model\.weight: holds NaN"):
            refuse_values({"model": made})
