"""The rows of weights that units are compared by, with everything that they are read through carried along plans.

Shapes: n units of the model, m of the reference, K positions of a unit on an axis, D numbers a unit.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.fusion.bases import Basis, Place
from framework.fusion.costs import Products, total
from framework.fusion.plans import Plans, State
from framework.fusion.transport import along, opened


def rows_of(weight: Tensor, place: Place) -> Tensor:
    """What a parameter says of each unit of a basis, (n, D)."""
    rows = weight.movedim(place.axis, 0)
    if len(rows) == len(place.positions) and place.in_order:
        return rows.reshape(len(rows), -1)
    return rows[place.positions].flatten(1)


def compared(basis: Basis, roles: Iterable[str]) -> list[int]:
    """The places of a basis in any of these roles; of a basis without them all of its places."""
    wanted = set(roles)
    return [i for i, place in enumerate(basis.places) if place.role in wanted] or list(range(len(basis.places)))


def layers_of(basis: Basis, indices: Iterable[int]) -> list[list[int]]:
    """Places by the layer that holds them: a unit's row is all that a layer says of it, weights and bias."""
    layers: dict[str, list[int]] = {}
    for index in indices:
        name = basis.places[index].name
        layers.setdefault(name.removesuffix("weight").removesuffix("bias"), []).append(index)
    return list(layers.values())


class Weights:
    """Products of rows, with the other axes of the model's parameters carried along the plans so far.

    Args:
        model: The weights that are matched.
        reference: Those that they are matched to.
        bases: The bases of the model.
        target: The bases of the reference.
        normalise_rows: Whether the rows of each layer, weights and bias together, have unit length.

    Attributes:
        axes: Of each parameter the bases along its axes, with the place in the model and in the reference.
        groups: Of each parameter the groups that it is in, as a kernel.
    """

    def __init__(
        self,
        model: State,
        reference: State,
        bases: Sequence[Basis],
        target: Sequence[Basis],
        *,
        normalise_rows: bool,
    ) -> None:
        self.model, self.reference = model, reference
        self.bases, self.target = bases, target
        self.normalise_rows = normalise_rows
        self.axes: dict[str, list[tuple[Basis, Place, Place]]] = {}
        for basis, basis_of_target in zip(self.bases, self.target, strict=True):
            for place, target_place in zip(basis.places, basis_of_target.places, strict=True):
                self.axes.setdefault(place.name, []).append((basis, place, target_place))
        self.groups = {name: max(place.groups for _, place, _ in of) for name, of in self.axes.items()}

    def others(self, place: Place) -> list[Basis]:
        """The bases on the other axes of the parameter of `place`: what its rows are read through."""
        return [basis for basis, other, _ in self.axes[place.name] if other is not place]

    def writers(self, number: int, plans: Plans) -> tuple[list[list[int]], bool]:
        """The places of basis `number` by the layer that writes them, of layers whose other axes have plans, and
        whether all have. For a layer from a stream into itself (a recurrent one) that is the stream's own plan.
        """
        basis = self.bases[number]
        layers = layers_of(basis, compared(basis, ["writes"]))
        ready = [
            layer
            for layer in layers
            if all(other.name in plans for index in layer for other in self.others(basis.places[index]))
        ]
        return ready, len(ready) == len(layers)

    def products(self, number: int, plans: Plans) -> tuple[Products | None, bool]:
        """Of basis `number`: from the writers that are ready (None if there are none), and whether all were."""
        found: list[Products] = []
        ready, complete = self.writers(number, plans)
        for layer in ready:
            rows = total([self.of_writer(number, index, plans) for index in layer])
            found.append(rows.normalised() if self.normalise_rows else rows)
        return (total(found) if found else None), complete

    def of_writer(self, number: int, index: int, plans: Plans) -> Products:
        """What the parameter at place `index` says of basis `number`."""
        return self.product(self.bases[number].places[index], self.target[number].places[index], plans)

    def product(self, place: Place, target_place: Place, plans: Plans) -> Products:
        """What one parameter says of the units on one of its axes, the other axes carried along `plans`."""
        return Products.of(*self.rows(place, target_place, plans), sums=False)

    def rows(self, place: Place, target_place: Place, plans: Plans) -> tuple[Tensor, Tensor]:
        """The rows (n, D) and (m, D) that `product` is of."""
        pairs = [
            (other, other_target, plans[basis.name])
            for basis, other, other_target in self.axes[place.name]
            if other is not place and basis.name in plans
        ]
        weight = along(opened(self.model[place.name], self.groups[place.name]), pairs)
        reference = opened(self.reference[place.name], self.groups[place.name])
        return rows_of(weight, place), rows_of(reference, target_place)


def masses_of(weights: Weights, number: int, marginals: str) -> tuple[Tensor, Tensor]:
    """The mass of each unit of basis `number`, (n,) and (m,), each summing to 1.

    Raises:
        InvalidInput: by the norm of rows, where all rows are zero.
    """
    sides = ((weights.model, weights.bases[number]), (weights.reference, weights.target[number]))
    if marginals == "uniform":
        return tuple(torch.full((basis.size,), 1 / basis.size, dtype=torch.float64) for _, basis in sides)  # type: ignore[return-value]
    order = 1 if marginals == "l1" else 2
    masses = []
    for state, basis in sides:
        norms = torch.zeros(basis.size, dtype=torch.float64)
        for layer in layers_of(basis, compared(basis, ["writes"])):
            places = [basis.places[index] for index in layer]
            rows = torch.cat([rows_of(state[place.name], place).double() for place in places], dim=1)
            norms += rows.norm(p=order, dim=1).cpu()
        if not norms.sum() > 0:
            message = f"has rows of zeros only, which give no marginals={marginals}"
            raise InvalidInput([Problem(basis.name, message)])
        masses.append(norms / norms.sum())
    return masses[0], masses[1]
