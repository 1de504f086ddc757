"""Weights along plans, against what the equations say unit by unit."""

import pytest
import torch

from framework.fusion import fuse, transport
from framework.fusion.bases import Place
from framework.fusion.plans import Plan
from framework.fusion.transport import along
from tests.framework.fusion.zoo import images, module

SOFT = Plan(coupling=torch.rand(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
SQUARE = Plan(coupling=torch.rand(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
POSITIONS = {
    "in order": torch.arange(4)[:, None],
    "in another order": torch.tensor([2, 0, 3, 1])[:, None],
    "not all of the axis": torch.tensor([1, 2, 3, 4])[:, None],
    "several a unit": torch.arange(8).reshape(4, 2),
}


def by_hand(tensor, axis, place, target, plan):
    """Unit j of the reference gets from unit i of the model what the plan says, position by position."""
    matrix = plan.columns() if place.role == "reads" else plan.rows()
    slices = list(tensor.unbind(axis))
    length = len(slices) + target.positions.numel() - place.positions.numel()
    made = [slices[i] if i < len(slices) else torch.zeros_like(slices[0]) for i in range(length)]
    for j, positions in enumerate(target.positions.tolist()):
        for k, position in enumerate(positions):
            made[position] = sum(
                float(matrix[i, j]) * slices[int(place.positions[i, k])] for i in range(len(matrix))
            )
    return torch.stack(made, dim=axis)


EVERYWHERE = [(SQUARE, name) for name in POSITIONS] + [(SOFT, "in order"), (SOFT, "several a unit")]


@pytest.mark.parametrize("role", ["writes", "reads"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("plan", "name"), EVERYWHERE)
def test_units_along_a_soft_plan_wherever_they_lie_on_an_axis(plan, name, axis, role):
    positions, width = POSITIONS[name], plan.matrix().shape[1]
    size = int(positions.max()) + 1
    shape = (size, 5, 2) if axis == 0 else (5, size, 2)
    tensor = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    target = positions if width == 4 else torch.arange(width * positions.shape[1]).reshape(width, -1)
    place, to = Place("w", axis, role, positions), Place("w", axis, role, target)
    expected = by_hand(tensor, axis, place, to, plan)
    torch.testing.assert_close(along(tensor, [(place, to, plan)]), expected, rtol=1e-12, atol=1e-12)


def gathered(tensor, axis, pairs):
    """A twin that gathers and scatters the units of every basis, whether they lie in order or not."""
    rest = tensor.movedim(axis, -1)
    growth = sum(target.positions.numel() - place.positions.numel() for place, target, _ in pairs)
    moved = rest.new_zeros(*rest.shape[:-1], rest.shape[-1] + growth)
    if not growth:
        moved.copy_(rest)
    for place, target, plan in pairs:
        matrix = (plan.columns() if place.role == "reads" else plan.rows()).to(tensor)
        moved[..., target.positions] = torch.einsum("...nk,nm->...mk", rest[..., place.positions], matrix)
    return moved.movedim(-1, axis)


@pytest.mark.parametrize("name", ["grouped", "residual", "mlp with bias"])
@pytest.mark.parametrize(
    ("method", "options"), [("cycle_consistent", {"iterations": 20}), ("ot", {"solver": "sinkhorn", "reg": 1.0})]
)
@pytest.mark.filterwarnings("ignore")  # few inputs
def test_what_is_found_is_bit_for_bit_what_gathering_finds(name, method, options, monkeypatch):
    models = [module(name, seed) for seed in range(2)]
    found = fuse(models, method, inputs=images(), **options).state_dict()
    monkeypatch.setattr(transport, "_mixed", gathered)
    expected = fuse(models, method, inputs=images(), **options).state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in found.items())
