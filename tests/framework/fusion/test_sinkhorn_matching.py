import pytest
import torch
import torch.nn.functional as F

from framework.fusion import fuse
from framework.fusion.alignment import options_of, plans
from framework.fusion.fusing import mean_of
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
