import itertools

import pytest
import torch
from torch import nn

from framework.fusion.alignment import align, options_of, plans
from framework.fusion.config import WeightMatching
from framework.fusion.structure import structure_of
from framework.fusion.symmetry import permuted, random_plans
from framework.fusion.task import Task
from framework.fusion.weight_matching import weight_matching
from tests.framework.fusion.zoo import difference, images, module


def likeness(first, second):
    return sum(float((a * b).detach().sum()) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_one_hidden_layer_is_matched_as_well_as_by_trying_every_permutation():
    torch.manual_seed(0)
    made = [nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)) for _ in range(2)]
    reference, model = made
    best = max(
        sum(
            float(term.detach().sum())
            for term in (
                reference[0].weight * model[0].weight[list(order)],
                reference[0].bias * model[0].bias[list(order)],
                reference[2].weight * model[2].weight[:, list(order)],
                reference[2].bias * model[2].bias,
            )
        )
        for order in itertools.permutations(range(5))
    )
    assert likeness(reference, align(reference, model, "weight_matching")) == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("name", ["mlp", "residual", "grouped", "attention", "vit"])
def test_no_round_makes_the_models_less_alike(name):
    reference, model = module(name), module(name, seed=5)
    task = Task.of(reference, model, images())
    values = []
    for _ in range(3):
        moved = plans(task, WeightMatching(passes=len(values) + 1)).moved(reference, model)
        values.append(likeness(reference, moved))
        assert difference(model, moved) < 1e-5
    assert values == sorted(values)
    assert values[0] >= likeness(reference, model)


def test_more_starts_are_no_worse():
    reference, model = module("mlp"), module("mlp", seed=5)
    bases = structure_of(reference, images()).bases
    totals = []
    for starts in (1, 5):
        found = weight_matching(model.state_dict(), reference.state_dict(), bases, WeightMatching(starts=starts))
        totals.append(sum(found[basis.name].cost * basis.size for basis in bases))
    assert totals[1] <= totals[0]


def test_gromov_wasserstein_finds_a_layer_again_by_its_distances():
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval()
    order = [3, 1, 4, 0, 2]
    moved = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval()
    with torch.no_grad():
        moved[0].weight.copy_(made[0].weight[order])
        moved[0].bias.copy_(made[0].bias[order])
        moved[2].weight.copy_(made[2].weight[:, order])
        moved[2].bias.copy_(made[2].bias)
    found = plans(Task.of(made, moved), options_of("gw", {}))
    coupling = found.plans["0"].matrix()
    assert coupling.sum().item() == pytest.approx(1.0)
    assert torch.allclose(coupling.sum(0), torch.full((5,), 0.2, dtype=torch.float64))
    assert found.rows()[0]["cost"] >= -1e-9
    soft = plans(Task.of(made, moved), options_of("gw", {"reg": 0.5, "loss": "kl"}))
    assert torch.allclose(soft.plans["0"].matrix().sum(1), torch.full((5,), 0.2, dtype=torch.float64), atol=1e-3)
    seen = plans(
        Task.of(made, moved, torch.randn(50, 6)), options_of("gw", {"source": "activations", "num_samples": 50})
    )
    assert seen.plans["0"].matrix().sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["residual", "dense", "resnet18 with norm", "vgg11 with bias and norm"])
def test_what_training_has_counted_says_nothing_about_the_units(name):
    """A network that took many steps has large counters, and variances that are no weights."""
    reference, fresh = module(name), module(name)
    bases = structure_of(reference, images()).bases
    other = permuted(fresh, bases, random_plans(bases, 3))
    generator = torch.Generator().manual_seed(0)
    for made, scale in ((reference, 1e4), (other, 1e-2)):
        for part in made.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.num_batches_tracked.fill_(78_200)
                part.running_mean.copy_(scale * torch.randn(part.num_features, generator=generator))
                part.running_var.copy_(scale * torch.rand(part.num_features, generator=generator))
    aligned = align(reference, other, "weight_matching", inputs=images())
    for key, tensor in dict(aligned.named_parameters()).items():
        assert torch.equal(tensor, dict(fresh.named_parameters())[key]), key
