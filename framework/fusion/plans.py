"""Plans: which hidden units of one model stand for which of another, and weights that are carried along a plan.

A plan for a basis couples the n units of a model with the m units of a reference. Its mass is carried over in two
ways. Whatever makes a unit (rows) becomes the mean of what makes its partners; what leaves a unit (columns) is
shared out among its partners:

    rows       T diag(1 / Tᵀ1)      columns sum to 1                                                            (1)
    columns    diag(1 / T1) T       rows sum to 1                                                               (2)

For equal widths and uniform marginals both are the plan of Singh and Jaggi, "Model fusion via optimal transport",
2020, algorithm 1. For different widths they are not: there (1) is used twice, which multiplies what a unit sends
out by the ratio of the widths; with (2) a model that is widened keeps its function.

Shapes: n units of the model, m of the reference, K places of a unit on an axis.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from framework.fusion.bases import Basis, Place

State = Mapping[str, Tensor]
LEAST_MASS = 1e-12


@dataclass(frozen=True)
class Plan:
    """A coupling (n, m), or, where each unit has one partner, `index` (m,): unit j stands for `index[j]`.

    `converged` is False where the solver ended before it was done; its plan is used as it is.
    """

    coupling: Tensor | None = None
    index: Tensor | None = None
    converged: bool = True

    @classmethod
    def identity(cls, size: int) -> "Plan":
        """Every unit for itself."""
        return cls(index=torch.arange(size))

    @property
    def size(self) -> int:
        """m, the number of units that it leads to."""
        return len(self.index) if self.index is not None else self.matrix().shape[1]

    def matrix(self) -> Tensor:
        """The coupling (n, m), float64; of a permutation with mass 1 / m each."""
        if self.coupling is not None:
            return self.coupling
        if self.index is None:
            raise ValueError("a plan has a coupling or an index")
        size = len(self.index)
        coupling = torch.zeros(size, size, dtype=torch.float64)
        coupling[self.index, torch.arange(size)] = 1 / size
        return coupling

    def rows(self) -> Tensor:
        """Equation (1), (n, m)."""
        coupling = self.matrix()
        return coupling / coupling.sum(dim=0, keepdim=True).clamp_min(LEAST_MASS)

    def columns(self) -> Tensor:
        """Equation (2), (n, m)."""
        coupling = self.matrix()
        return coupling / coupling.sum(dim=1, keepdim=True).clamp_min(LEAST_MASS)

    def diagonal(self) -> float:
        """The share of mass on the diagonal, in [0, 1]: 1 where every unit stands for itself."""
        if self.index is not None:
            return float((self.index == torch.arange(len(self.index))).double().mean())
        coupling = self.matrix()
        return float(coupling.diagonal().sum() / coupling.sum().clamp_min(LEAST_MASS))


Plans = Mapping[str, Plan]


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
    for basis, goal in zip(bases, target, strict=True):
        if basis.name in plans:
            for here, there in zip(basis.places, goal.places, strict=True):
                pairs.setdefault(here.name, []).append((here, there, plans[basis.name]))
    return pairs


def carry(tensor: Tensor, pairs: Sequence[Pair]) -> Tensor:
    """One parameter along every plan that has a place on it: (here, there, plan)."""
    grouped = max(here.groups for here, _, _ in pairs)
    moved = along(opened(tensor, grouped), pairs)
    return _blocks(moved, grouped) if grouped > 1 else moved


def along(tensor: Tensor, pairs: Sequence[Pair]) -> Tensor:
    """`carry` for a parameter that is `opened`."""
    for axis in sorted({here.axis % tensor.ndim for here, _, _ in pairs}):
        on_axis = [pair for pair in pairs if pair[0].axis % tensor.ndim == axis]
        if all(plan.index is not None for _, _, plan in on_axis):
            tensor = tensor.index_select(axis, _order(tensor.shape[axis], on_axis).to(tensor.device))
        else:
            tensor = _mixed(tensor, axis, on_axis)
    return tensor


def _order(length: int, pairs: Sequence[Pair]) -> Tensor:
    order = torch.arange(length)
    for here, there, plan in pairs:
        order[there.positions] = here.positions[plan.index]
    return order


def _mixed(tensor: Tensor, axis: int, pairs: Sequence[Pair]) -> Tensor:
    rest = tensor.movedim(axis, -1)
    length = rest.shape[-1] + sum(there.positions.numel() - here.positions.numel() for here, there, _ in pairs)
    moved = rest.new_zeros(*rest.shape[:-1], length)
    if length == rest.shape[-1]:
        moved.copy_(rest)
    for here, there, plan in pairs:
        matrix_nm = (plan.columns() if here.role == "reads" else plan.rows()).to(tensor)
        carried = torch.einsum("...nk,nm->...mk", rest[..., here.positions], matrix_nm)
        moved[..., there.positions] = carried
    return moved.movedim(-1, axis)


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
