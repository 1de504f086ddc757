from dataclasses import replace

import pytest
import torch
from torch import nn

from framework.errors import InvalidInput
from framework.fusion.bases import derive
from framework.fusion.symmetry import check, random_plans
from framework.models.graph import trace
from tests.framework.fusion.zoo import SHAPE, Residual, images, module


def test_blocks_move_as_wholes_and_tied_bases_move_alike():
    made = module("attention")
    bases = {basis.name: basis for basis in derive(made, trace(made, SHAPE))}
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
    bases = derive(made, traced)
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
    bases = derive(made, traced)
    check(made, bases, traced, images(2))
    broken = tuple(replace(b, places=b.places[:-1]) for b in bases)
    with pytest.raises(InvalidInput, match="a permutation changes the outputs"):
        check(made, broken, traced, images(2))
    assert bool((made[3].weight == 0).all())
