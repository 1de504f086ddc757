import pytest
import torch

from framework.fusion import shortcuts
from framework.fusion.alignment import options_of, plans
from framework.fusion.config import OT
from framework.fusion.ot import transport_plans
from framework.fusion.plans import Plan
from framework.fusion.rows import Weights
from framework.fusion.shortcuts import quick_transport_plans
from framework.fusion.structure import structure_of
from framework.fusion.symmetry import permuted, random_plans
from framework.fusion.task import Task
from tests.framework.fusion.zoo import NAMES, images, module


def near(model, amount):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(amount * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    return model


@pytest.mark.parametrize("kind", ["another", "near", "permuted"])
@pytest.mark.parametrize("name", NAMES)
def test_plans_and_costs_are_those_of_the_algorithm(name, kind):
    reference = module(name)
    structure = structure_of(reference, images())
    moved = permuted(reference, structure.bases, random_plans(structure.bases, 3))
    model = {"another": module(name, seed=5), "near": near(moved, 0.3), "permuted": moved}[kind]
    task = Task.of(reference, model, images(), target=structure)
    weights = Weights(*task.states, task.structure.bases, task.target.bases, normalise_rows=True)
    slow, quick = transport_plans(weights, OT(), {}), quick_transport_plans(weights, OT(), {})
    assert list(slow) == list(quick)
    for basis, pair in quick.items():
        assert pair.cost == pytest.approx(slow[basis].cost, abs=1e-5)
        assert torch.equal(pair.plan.matrix(), slow[basis].plan.matrix())


@pytest.mark.parametrize("room", [0, 2**28])
@pytest.mark.parametrize("solver", ["exact", "emd", "sinkhorn"])
def test_couplings_are_those_of_the_algorithm(solver, room, monkeypatch):
    monkeypatch.setattr(shortcuts, "ROOM", room)
    task = Task.of(module("residual"), module("residual", seed=5), images())
    config = OT(solver=solver, marginals="uniform" if solver == "exact" else "l2")
    weights = Weights(*task.states, task.structure.bases, task.target.bases, normalise_rows=True)
    slow, quick = transport_plans(weights, config, {}), quick_transport_plans(weights, config, {})
    for basis, pair in quick.items():
        assert pair.cost == slow[basis].cost
        assert torch.equal(pair.plan.matrix(), slow[basis].plan.matrix())


def test_what_has_not_changed_is_not_found_again(monkeypatch):
    reference = module("resnet18")
    structure = structure_of(reference, images())
    model = near(permuted(reference, structure.bases, random_plans(structure.bases, 3)), 0.01)
    seen = []
    product = Weights.product
    monkeypatch.setattr(Weights, "product", lambda self, *args: seen.append(args[0].name) or product(self, *args))
    plans(Task.of(reference, model, images(), target=structure), options_of("ot", {}))
    assert max(map(seen.count, seen)) <= 2
    seen.clear()
    plans(Task.of(reference, permuted(reference, structure.bases, {}), images()), options_of("ot", {}))
    assert not seen  # rows that are equal need no products at all


def test_plans_that_hold_the_same_have_one_key():
    order = torch.tensor([2, 0, 1])
    assert Plan(index=order).key == Plan(index=order.clone()).key
    assert Plan(index=order).key != Plan(index=order.flip(0)).key
    coupling = torch.rand(3, 3, dtype=torch.float64)
    assert Plan(coupling=coupling).key == Plan(coupling=coupling.clone()).key
    assert Plan(coupling=coupling).key != Plan(coupling=coupling.T).key
