"""Weights that are carried along transport plans: rows by equation (1) of `plans.py`, columns by equation (2).

Shapes: n units of the model, m of the reference, K positions of a unit on an axis.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from framework.fusion.bases import Basis, Place
from framework.fusion.plans import Plan, Plans, State


def transport(
    state: State, bases: Sequence[Basis], plans: Plans, target: Sequence[Basis] | None = None
) -> dict[str, Tensor]:
    """`state` carried along `plans`, by the name of the basis; bases without a plan stay as they are.

    `target` are the bases of the reference, where its widths differ.
    """
    moved = dict(state)
    for name, pairs in _by_parameter(bases, target or bases, plans).items():
        moved[name] = carry(state[name], pairs)
    return moved


Pair = tuple[Place, Place, Plan]


def _by_parameter(bases: Sequence[Basis], target: Sequence[Basis], plans: Plans) -> dict[str, list[Pair]]:
    pairs: dict[str, list[Pair]] = {}
    for basis, basis_of_target in zip(bases, target, strict=True):
        if basis.name in plans:
            for place, target_place in zip(basis.places, basis_of_target.places, strict=True):
                pairs.setdefault(place.name, []).append((place, target_place, plans[basis.name]))
    return pairs


def carry(tensor: Tensor, pairs: Sequence[Pair]) -> Tensor:
    """One parameter along every plan that has a place on it: (place, target_place, plan)."""
    grouped = max(place.groups for place, _, _ in pairs)
    moved = along(opened(tensor, grouped), pairs)
    return _blocks(moved, grouped) if grouped > 1 else moved


def along(tensor: Tensor, pairs: Sequence[Pair]) -> Tensor:
    """`carry` for a parameter that is `opened`."""
    for axis in sorted({place.axis % tensor.ndim for place, _, _ in pairs}):
        on_axis = [pair for pair in pairs if pair[0].axis % tensor.ndim == axis]
        if all(plan.index is not None for _, _, plan in on_axis):
            tensor = tensor.index_select(axis, _order(tensor.shape[axis], on_axis).to(tensor.device))
        else:
            tensor = _mixed(tensor, axis, on_axis)
    return tensor


def _order(length: int, pairs: Sequence[Pair]) -> Tensor:
    order = torch.arange(length)
    for place, target_place, plan in pairs:
        order[target_place.positions] = place.positions[plan.index]
    return order


def _mixed(tensor: Tensor, axis: int, pairs: Sequence[Pair]) -> Tensor:
    rest = tensor.movedim(axis, -1)
    (place, target_place, plan), *others = pairs
    if not others and place.in_order and target_place.in_order and len(place.positions) == rest.shape[-1]:
        return _carried(rest[..., None], place, plan).squeeze(-1).movedim(-1, axis)  # nothing is to be gathered
    growths = (target_place.positions.numel() - place.positions.numel() for place, target_place, _ in pairs)
    length = rest.shape[-1] + sum(growths)
    moved = rest.new_zeros(*rest.shape[:-1], length)
    if length == rest.shape[-1]:
        moved.copy_(rest)
    for place, target_place, plan in pairs:
        moved[..., target_place.positions] = _carried(rest[..., place.positions], place, plan)
    return moved.movedim(-1, axis)


def _carried(units: Tensor, place: Place, plan: Plan) -> Tensor:
    """What units (…, n, K) are along a plan, (…, m, K)."""
    matrix_nm = (plan.columns() if place.role == "reads" else plan.rows()).to(units)
    return torch.einsum("...nk,nm->...mk", units, matrix_nm)


def opened(weight: Tensor, groups: int) -> Tensor:
    """A kernel in groups, (O, I / G, …), as one of a single group, (O, I, …), with zeros between the groups."""
    if groups == 1:
        return weight
    outputs, inputs = weight.shape[:2]
    dense = weight.new_zeros(groups, outputs // groups, groups, inputs, *weight.shape[2:])
    split = weight.reshape(groups, outputs // groups, inputs, *weight.shape[2:])
    for group in range(groups):
        dense[group, :, group] = split[group]
    return dense.reshape(outputs, groups * inputs, *weight.shape[2:])


def _blocks(dense: Tensor, groups: int) -> Tensor:
    """The kernel (O, I / G, …) in groups whose dense form is `dense`."""
    outputs, inputs = dense.shape[:2]
    split = dense.reshape(groups, outputs // groups, groups, inputs // groups, *dense.shape[2:])
    return torch.stack([split[group, :, group] for group in range(groups)]).flatten(0, 1)
