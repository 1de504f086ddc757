import pytest
import torch
from torch import nn

from framework.errors import InvalidInput
from framework.fusion.alignment import options_of, plans
from framework.fusion.ot import transport_plans
from framework.fusion.task import Task
from tests.framework.fusion.published import published_plans
from tests.framework.fusion.zoo import images, module


def parents(seed):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 9, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(36, 8, bias=False), nn.ReLU(), nn.Linear(8, 5, bias=False),
    ).eval()  # fmt: skip


def test_plans_costs_and_weights_are_those_of_the_published_loop():
    model, reference = parents(0), parents(1)
    weights = [[p.detach() for p in m.parameters()] for m in (model, reference)]
    expected, costs, aligned = published_plans(*weights)
    found = plans(Task.of(reference, model, images(), fix_outputs=False), options_of("ot", {"solver": "emd"}))
    assert [row["cost"] for row in found.rows()] == pytest.approx(costs, abs=1e-6)
    for plan, matrix in zip(found.plans.values(), expected, strict=True):
        assert torch.allclose(plan.rows().float(), matrix, atol=1e-5)
    moved = found.moved(reference, model)
    for tensor, wanted in zip(moved.parameters(), aligned, strict=True):
        assert torch.allclose(tensor, wanted, atol=1e-5)


def test_exact_is_by_assignment_and_costs_what_emd_costs():
    model, reference = parents(0), parents(1)
    task = Task.of(reference, model, images())
    by_assignment = plans(task, options_of("ot", {}))
    by_emd = plans(task, options_of("ot", {"solver": "emd"}))
    assert all(plan.index is not None for plan in by_assignment.plans.values())
    assert [row["cost"] for row in by_assignment.rows()] == pytest.approx(
        [row["cost"] for row in by_emd.rows()], abs=1e-6
    )


def test_a_stream_is_matched_by_all_that_write_to_it():
    model, reference = module("residual without norm"), module("residual without norm", seed=5)
    found = plans(Task.of(reference, model, images()), options_of("ot", {}))
    stem, inner = found.plans["stem"].index, found.plans["inner"].index

    def unit(rows, biases):
        joined = torch.cat([rows.flatten(1), biases[:, None]], dim=1)
        return joined / joined.norm(dim=1, keepdim=True)

    mine, theirs = model.state_dict(), reference.state_dict()
    total = torch.zeros(6, 6)
    for name, carried in (("stem.weight", mine["stem.weight"]), ("outer.weight", mine["outer.weight"][:, inner])):
        bias = name.replace("weight", "bias")
        total += torch.cdist(unit(carried, mine[bias]), unit(theirs[name], theirs[bias])) ** 2
    cost = total.sqrt()
    best = cost[stem, torch.arange(6)].sum()
    for _ in range(200):
        other = torch.randperm(6)
        assert best <= cost[other, torch.arange(6)].sum() + 1e-5


@pytest.mark.parametrize("marginals", ["l1", "l2"])
def test_important_units_have_more_mass(marginals):
    model, reference = module("mlp"), module("mlp", seed=5)
    found = plans(Task.of(reference, model), options_of("ot", {"marginals": marginals}))
    order = {"l1": 1, "l2": 2}[marginals]
    for layer, basis in ((1, "encoder.1"), (3, "encoder.3")):
        for made, axis in ((model, 1), (reference, 0)):
            norms = made.encoder[layer].weight.detach().double().norm(p=order, dim=1)
            assert torch.allclose(found.plans[basis].matrix().sum(axis), norms / norms.sum(), atol=1e-7)


def test_rows_of_zeros_give_no_importance():
    model = module("mlp")
    with torch.no_grad():
        model.encoder[1].weight.zero_()
    with pytest.raises(InvalidInput, match=r"encoder\.1: has rows of zeros only"):
        plans(Task.of(module("mlp", seed=5), model), options_of("ot", {"marginals": "l2"}))


def test_blocks_of_another_number_are_refused():
    class Heads(nn.Module):
        def __init__(self, heads):
            super().__init__()
            self.embed = nn.Linear(8, 8)
            self.attention, self.head = nn.MultiheadAttention(8, heads, batch_first=True), nn.Linear(8, 3)

        def forward(self, inputs):
            tokens = self.embed(inputs.squeeze(1))
            return self.head(self.attention(tokens, tokens, tokens)[0].mean(1))

    task = Task.of(Heads(2), Heads(2), images())
    other = Task.of(Heads(4), Heads(4), images())
    from framework.fusion.config import OT
    from framework.fusion.rows import Weights

    weights = Weights(*task.states, task.structure.bases, other.target.bases, normalise_rows=True)
    with pytest.raises(InvalidInput, match="has 2 blocks"):
        transport_plans(weights, OT(), {})
