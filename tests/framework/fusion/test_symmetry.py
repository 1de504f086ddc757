import warnings
from dataclasses import replace

import pytest
import torch
from torch import nn

from framework.errors import InvalidInput
from framework.fusion import align, fuse
from framework.fusion.bases import derive
from framework.fusion.structure import structure_of
from framework.fusion.symmetry import check, permuted, random_plans
from framework.models.graph import trace
from tests.framework.fusion.zoo import SHAPE, Residual, images, module


def test_blocks_move_as_wholes_and_tied_bases_move_alike():
    made = module("attention")
    bases = {basis.name: basis for basis in derive(made, trace(made, SHAPE))[0]}
    plans = random_plans(tuple(bases.values()), seed=3)
    heads = [
        {int(plans[name].index[unit]) // 4 for unit in block}
        for name in ("query", "value")
        for block in bases[name].blocks
    ]
    assert heads[:2] == heads[2:]
    assert all(len(head) == 1 for head in heads)


@pytest.mark.parametrize(
    "lost", ["norm.weight", "norm.bias", "norm.running_mean", "norm.running_var", "inner.weight"]
)
def test_a_basis_that_lacks_a_place_is_refused_even_where_all_its_numbers_are_equal(lost):
    torch.manual_seed(0)
    made = Residual().eval()  # gains of ones, biases and means of zeros
    traced = trace(made, SHAPE)
    bases, _ = derive(made, traced)
    check(made, bases, traced, images(2))
    broken = tuple(
        replace(b, places=tuple(p for p in b.places if (b.name, p.name) != ("inner", lost))) for b in bases
    )
    with pytest.raises(InvalidInput, match="inner: its units cannot be told from the graph"):
        check(made, broken, traced, images(2))


def test_a_network_whose_outputs_are_all_zero_is_tested_too():
    made = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, 3, bias=False))
    nn.init.zeros_(made[3].weight)
    traced = trace(made, SHAPE)
    bases, _ = derive(made, traced)
    check(made, bases, traced, images(2))
    broken = tuple(replace(b, places=b.places[:-1]) for b in bases)
    with pytest.raises(InvalidInput, match="a permutation changes the outputs"):
        check(made, broken, traced, images(2))
    assert bool((made[3].weight == 0).all())


def grouped(seed, channels, groups, between):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, channels, 1),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 1, groups=groups),
        nn.ReLU(),
        *between,
        nn.Conv2d(channels, channels, 1, groups=groups),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * channels, 3),
    ).eval()


@pytest.mark.parametrize(("channels", "groups"), [(4, 2), (8, 2), (8, 4), (9, 3), (12, 2), (12, 3), (16, 4)])
def test_groups_in_a_row_move_together_and_groups_that_cross_stay(channels, groups):
    inputs = torch.randn(16, 3, 4, 4)
    for between in ((), (nn.ChannelShuffle(groups),)):
        for seed in range(3):
            made, other = (grouped(number, channels, groups, between) for number in (seed, seed + 100))
            bases = structure_of(other, inputs).bases
            assert {len(basis.blocks) for basis in bases} == ({0} if between else {groups})
            for plan_seed in range(4):
                moved = permuted(other, bases, random_plans(bases, plan_seed))
                torch.testing.assert_close(moved(inputs), other(inputs))
            for method in ("ot", "weight_matching"):
                aligned = align(made, other, method, inputs=inputs)
                torch.testing.assert_close(aligned(inputs), other(inputs))


class Gain(nn.Module):
    """A constant gain: the order of its numbers is that of the units."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 3)
        self.register_buffer("gain", torch.linspace(0.5, 1, 8))

    def forward(self, x):
        return self.b(torch.relu(self.a(x)) * self.gain)


class Mixer(nn.Module):
    """Tokens are mixed, and what comes out is added to what went in."""

    def __init__(self):
        super().__init__()
        self.embed, self.mix, self.head = nn.Linear(6, 8), nn.Linear(5, 5), nn.Linear(8, 3)

    def forward(self, x):
        h = self.embed(x)
        return self.head((h + self.mix(h.transpose(1, 2)).transpose(1, 2)).mean(1))


@pytest.mark.parametrize(("made", "shape", "layer"), [(Gain, (6,), "a"), (Mixer, (5, 6), "embed, mix")])
def test_layers_that_no_permutation_may_move_are_told(made, shape, layer):
    with pytest.warns(UserWarning, match=rf"nothing is matched at {layer}: .* stay where they are"):
        fuse(made(), made(), "weight_matching", inputs=torch.randn(40, *shape))


def test_the_outputs_and_what_may_move_are_not_told():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fuse(Gain(), Gain(), "average", inputs=torch.randn(40, 6))
        for fix_outputs in (True, False):
            fuse(
                *(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)) for _ in range(2)),
                fix_outputs=fix_outputs,
            )
