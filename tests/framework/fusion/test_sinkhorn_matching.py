import pytest
import torch
import torch.nn.functional as F
from torch import nn

from framework.fusion import fuse
from framework.fusion.alignment import options_of, plans
from framework.fusion.fusing import mean_of
from framework.fusion.repair import reset_statistics
from framework.fusion.sinkhorn_matching import sinkhorn
from framework.fusion.task import Task
from tests.framework.fusion.zoo import difference, images, module

OPTIONS = {"steps": 30, "batch_size": 32, "learning_rate": 0.1}


def test_sinkhorn_gives_a_doubly_stochastic_matrix_and_in_the_limit_a_permutation():
    scores = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    soft = sinkhorn(scores, 1.0, 200)
    assert torch.allclose(soft.sum(0), torch.ones(6), atol=1e-5)
    assert torch.allclose(soft.sum(1), torch.ones(6), atol=1e-4)
    hard = sinkhorn(3 * torch.eye(6)[[2, 0, 1, 5, 4, 3]] + scores.tanh(), 0.05, 500)
    assert float(hard.max(dim=0).values.min()) > 0.99


@pytest.mark.parametrize("name", ["mlp", "attention"])
def test_what_is_learned_is_no_worse_half_way_than_where_it_began(name):
    reference, model = module(name), module(name, seed=5)
    inputs = images(64)
    labels = reference(inputs).argmax(dim=1)
    losses = {}
    for method, options in (("weight_matching", {"seed": 0}), ("sinkhorn_matching", OPTIONS)):
        task = Task.of(reference, model, inputs, labels)
        moved = plans(task, options_of(method, options)).moved(reference, model)
        assert difference(model, moved) < 1e-5
        losses[method] = float(F.cross_entropy(mean_of([reference, moved], [0.5, 0.5])(inputs), labels).detach())
    assert losses["sinkhorn_matching"] <= losses["weight_matching"] + 1e-6


def test_it_learns_without_labels_and_gives_the_same_again():
    reference, model = module("mlp"), module("mlp", seed=5)
    fused = [fuse([reference, model], "sinkhorn_matching", inputs=images(64), **OPTIONS) for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(fused[0].parameters(), fused[1].parameters(), strict=True))


@pytest.mark.parametrize("name", ["residual", "dense", "resnet18 with norm"])
def test_networks_with_batch_normalisation_are_learned_too(name):
    reference, model = module(name), module(name, seed=5)
    inputs = images(64)
    labels = reference(inputs).argmax(dim=1)
    losses = {}
    for method, options in (("weight_matching", {"seed": 0}), ("sinkhorn_matching", OPTIONS)):
        moved = plans(Task.of(reference, model, inputs, labels), options_of(method, options)).moved(
            reference, model
        )
        assert difference(model, moved) < 1e-5
        half = reset_statistics(mean_of([reference, moved], [0.5, 0.5]), inputs)
        losses[method] = float(F.cross_entropy(half(inputs), labels).detach())
    assert losses["sinkhorn_matching"] <= losses["weight_matching"] + 1e-3


def test_the_mode_that_a_model_is_in_changes_nothing():
    def parents():
        made = [
            nn.Sequential(nn.Flatten(), nn.Linear(64, 9), nn.ReLU(), nn.Dropout(0.5), nn.Linear(9, 3))
            for _ in "ab"
        ]
        for seed, part in enumerate(made):
            for parameter in part.parameters():
                nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(seed))
        return made

    calm = [part.eval() for part in parents()]
    fused = [
        fuse(given, "sinkhorn_matching", inputs=images(64), **OPTIONS) for given in (calm, parents(), parents())
    ]
    for made in fused[1:]:
        assert all(torch.equal(a, b) for a, b in zip(fused[0].parameters(), made.parameters(), strict=True))
    assert fused[1].training
