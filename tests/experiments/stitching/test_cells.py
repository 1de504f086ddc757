import torch

from experiments.stitching.cells import Draw, fit_cells
from framework.mappings.config import MLP, Affine


def test_a_methods_own_chance_is_drawn_anew_with_the_anchors():
    """The same anchors for every draw: what differs is the network's own seed."""
    z = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    anchors = {Draw(40, seed): torch.arange(40) for seed in (7, 8)}
    for config, alike in ((MLP(ridges=(0.0,), epochs=3, seed=2), False), (Affine(ridges=(0.0,)), True)):
        first, second = (cell.mapping(z) for cell in fit_cells(config, z, z @ z.T[:, :3], anchors, "here"))
        assert torch.equal(first, second) is alike
    given = MLP(ridges=(0.0,), epochs=3, seed=3)
    alone = fit_cells(given, z, z @ z.T[:, :3], {Draw(40, 0): torch.arange(40)}, "here")[0].mapping(z)
    config = MLP(ridges=(0.0,), epochs=3, seed=2)
    second = fit_cells(config, z, z @ z.T[:, :3], anchors, "here")[1].mapping(z)
    assert torch.equal(alone, second)
