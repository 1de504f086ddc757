import pytest
import torch
from torch import nn

from framework.errors import InvalidInput
from framework.fusion.bases import derive, refuse_sharing
from framework.fusion.structure import structure_of
from framework.fusion.symmetry import permuted, random_plans
from framework.models.graph import trace
from tests.framework.fusion.zoo import NAMES, SHAPE, difference, images, module


def bases_of(made, **options):
    return {basis.name: basis for basis in derive(made, trace(made, SHAPE), **options)[0]}


@pytest.mark.parametrize("name", NAMES)
def test_a_random_permutation_of_the_hidden_units_leaves_the_outputs_unchanged(name):
    made = module(name)
    structure = structure_of(made, images())
    assert structure.bases
    for seed in (1, 2):
        moved = permuted(made, structure.bases, random_plans(structure.bases, seed))
        assert difference(made, moved) < 1e-5
        changed = [
            key for key, tensor in made.state_dict().items() if not torch.equal(tensor, moved.state_dict()[key])
        ]
        assert changed


def test_the_bases_of_an_mlp_are_its_hidden_layers():
    made = nn.Sequential(nn.Flatten(), nn.Linear(64, 7), nn.ReLU(), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3))
    bases = bases_of(made)
    assert [(basis.name, basis.size) for basis in bases.values()] == [("1", 7), ("3", 5)]
    places = {(place.name, place.axis, place.role) for place in bases["1"].places}
    assert places == {("1.weight", 0, "writes"), ("1.bias", 0, "writes"), ("3.weight", 1, "reads")}
    assert [watch.node for watch in bases["1"].written] == ["_1"]
    assert [watch.node for watch in bases["1"].activated] == ["_2"]


def test_all_that_write_to_a_residual_stream_share_one_basis():
    bases = bases_of(module("residual"))
    assert {name: basis.size for name, basis in bases.items()} == {"stem": 6, "inner": 5, "down": 8}
    writers = {place.name for place in bases["stem"].places if place.role == "writes"}
    assert writers == {"stem.weight", "stem.bias", "outer.weight", "outer.bias"}
    writers = {place.name for place in bases["down"].places if place.role == "writes"}
    assert writers == {"down.weight", "down.bias", "shortcut.weight", "shortcut.bias"}
    of_norm = {place.name: place.role for place in bases["inner"].places if place.name.startswith("norm.")}
    assert [of_norm[f"norm.{part}"] for part in ("weight", "bias")] == ["scales"] * 2
    assert [of_norm[f"norm.{part}"] for part in ("running_mean", "running_var")] == ["counts"] * 2


def test_concatenated_channels_keep_their_bases_and_a_flattened_map_takes_several_places():
    bases = bases_of(module("dense"))
    assert {name: basis.size for name, basis in bases.items()} == {"first": 4, "second": 3, "flat": 6}
    of_norm = {name: [p for p in basis.places if p.name == "norm.weight"] for name, basis in bases.items()}
    assert of_norm["first"][0].positions.squeeze(1).tolist() == [0, 1, 2, 3]
    assert of_norm["second"][0].positions.squeeze(1).tolist() == [4, 5, 6]
    (flattened,) = [place for place in bases["second"].places if place.name == "flat.weight"]
    assert flattened.positions.tolist() == [[16, 17, 18, 19], [20, 21, 22, 23], [24, 25, 26, 27]]


def test_heads_and_groups_move_as_wholes():
    bases = bases_of(module("attention"))
    query, value = bases["query"], bases["value"]
    assert {place.name for place in query.places} >= {"query.weight", "key.weight", "query.bias", "key.bias"}
    assert {place.name for place in value.places} >= {"value.weight", "out.weight"}
    assert query.tie == value.tie is not None
    assert [block.tolist() for block in query.blocks] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    grouped = bases_of(module("grouped"))
    assert [len(block) for block in grouped["grouped"].blocks] == [3, 3, 3, 3]
    assert [len(block) for block in grouped["stem"].blocks] == [2, 2, 2, 2]
    assert grouped["grouped"].tie == grouped["stem"].tie


def test_the_order_of_the_outputs_can_be_let_go():
    made = module("mlp")
    assert "head" not in bases_of(made)
    free = bases_of(made, fix_outputs=False)
    assert free["head"].size == 3


class Shared(nn.Module):
    def __init__(self, tied):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(64, 5), nn.Linear(5, 5), nn.Linear(5, 3)
        self.tied = tied
        if tied:
            self.second = nn.Linear(64, 5)
            self.second.weight = self.first.weight

    def forward(self, images):
        hidden = self.first(images.flatten(1))
        return self.head(
            hidden + self.second(images.flatten(1)) if self.tied else self.second(self.second(hidden))
        )


def test_shared_parameters_are_refused_by_name():
    with pytest.raises(InvalidInput, match=r"first\.weight and second\.weight: share one tensor"):
        refuse_sharing(Shared(tied=True))
    with pytest.raises(InvalidInput, match="second: is run more than once"):
        bases_of(Shared(tied=False))


class Decides(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 3)

    def forward(self, images):
        return self.layer(images.flatten(1)) if images.sum() > 0 else images.flatten(1)[:, :3]


class Sorts(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(64, 5), nn.Linear(5, 3)

    def forward(self, images):
        return self.head(torch.sort(self.first(images.flatten(1)), dim=1).values)


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(5))

    def forward(self, values):
        return values * self.weight if values.sum() > 0 else values


def test_what_cannot_be_traced_or_has_no_rule_is_refused_with_its_node():
    with pytest.raises(InvalidInput, match="cannot be traced"):
        structure_of(Decides(), images())
    with pytest.raises(InvalidInput, match=r"node sort: \(sort\) is a function with no rule"):
        structure_of(Sorts(), images())
    made = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), Odd(), nn.Linear(5, 3))
    with pytest.raises(
        InvalidInput, match=r"node _2: \(module 2, Odd\) is a layer of its own kind[\s\S]*with no rule"
    ):
        structure_of(made, images())


class Positional(nn.Module):
    """Its layer treats its inputs by their place, which no graph of layers shows."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(64, 4), nn.Linear(64, 4), nn.Linear(4, 3)

    def forward(self, images):
        flat = images.flatten(1)
        return self.head(torch.relu(self.first(flat)) + torch.relu(self.second(flat)).flip(1))


def test_units_that_meet_in_reverse_are_followed():
    made = Positional()
    (basis,) = structure_of(made, images()).bases
    reversed_places = [p.positions.squeeze(1).tolist() for p in basis.places if p.name == "second.weight"]
    assert reversed_places == [[3, 2, 1, 0]]


def test_a_shape_is_found_without_inputs_or_asked_for():
    assert structure_of(nn.Sequential(nn.Linear(9, 4), nn.ReLU(), nn.Linear(4, 2))).input_shape == (9,)
    convolutional = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    assert structure_of(convolutional).input_shape == (3, 32, 32)
    with pytest.raises(InvalidInput, match=r"a batch of inputs is needed[\s\S]*Conv1d"):
        structure_of(nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.Conv1d(3, 1, 3)))
