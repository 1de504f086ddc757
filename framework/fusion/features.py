"""What the units of a basis are compared by: the rows of weights that make them, or their activations.

Shapes: n units of the model, m of the reference, K places of a unit, D numbers a unit, S inputs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, fx, nn

from framework.fusion.bases import Activation, Basis, Place
from framework.fusion.costs import Products, total
from framework.fusion.plans import Plan, Plans, State, along, opened
from framework.fusion.structure import Structure
from framework.models.batch import Inputs, pieces, tensors
from framework.models.graph import in_eval_mode

PIECE = 100  # inputs at a time
ROOM = 2**28  # bytes of products that are kept between sweeps


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


def same_objects(first: Sequence[object], second: Sequence[object]) -> bool:
    """Whether both hold the same objects, not only equal ones."""
    return len(first) == len(second) and all(mine is theirs for mine, theirs in zip(first, second, strict=True))


class Weights:
    """Products of rows, with everything that the model's rows stand on carried along the plans so far.

    Args:
        model, reference: The weights.
        bases, target: The bases of each.
        normalise_rows: Whether the rows of each layer, weights and bias together, have unit length.
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
        self.lying: dict[str, list[tuple[Basis, Place, Place]]] = {}
        for basis, goal in zip(self.bases, self.target, strict=True):
            for here, there in zip(basis.places, goal.places, strict=True):
                self.lying.setdefault(here.name, []).append((basis, here, there))
        self.groups = {name: max(here.groups for _, here, _ in lying) for name, lying in self.lying.items()}
        self.kept: dict[tuple[int, int], tuple[list[Plan | None], Products]] = {}
        self.room = ROOM

    def ready(self, basis: Basis, index: int, plans: Plans) -> bool:
        """Whether all else that a parameter stands on has a plan: of a layer from a stream into itself (a
        recurrent one) that is the stream's own.
        """
        place = basis.places[index]
        return all(here is place or other.name in plans for other, here, _ in self.lying[place.name])

    def writers(self, number: int, plans: Plans) -> tuple[list[list[int]], bool]:
        """The places of basis `number` by the layer that writes them, those that are ready; whether all are."""
        basis = self.bases[number]
        layers = layers_of(basis, compared(basis, ["writes"]))
        ready = [layer for layer in layers if all(self.ready(basis, index, plans) for index in layer)]
        return ready, len(ready) == len(layers)

    def products(self, number: int, plans: Plans) -> tuple[Products | None, bool]:
        """Of basis `number`: from the writers that are ready (None if there are none), and whether all were."""
        found: list[Products] = []
        ready, complete = self.writers(number, plans)
        several = len(ready) > 1 or not complete
        for layer in ready:
            rows = total([self._piece(number, index, plans, keep=several) for index in layer])
            found.append(rows.normalised() if self.normalise_rows else rows)
        return (total(found) if found else None), complete

    def stands(self, number: int, plans: Plans) -> list[Plan | None]:
        """All that `products` of a basis depend on. They are the same as long as these are the same objects."""
        basis = self.bases[number]
        found: list[Plan | None] = []
        for index in compared(basis, ["writes"]):
            found += self._under(basis, index, plans)
        return found

    def _under(self, basis: Basis, index: int, plans: Plans) -> list[Plan | None]:
        """The plans that a parameter is carried along before a basis is compared by it; None if missing."""
        place = basis.places[index]
        return [plans.get(other.name) for other, here, _ in self.lying[place.name] if here is not place]

    def _piece(self, number: int, index: int, plans: Plans, *, keep: bool) -> Products:
        """What one writer says of a basis; of streams kept from sweep to sweep, as far as there is room."""
        under = self._under(self.bases[number], index, plans)
        before = self.kept.get((number, index))
        if before is not None and same_objects(before[0], under):
            return before[1]
        basis, goal = self.bases[number], self.target[number]
        piece = self.product(basis, basis.places[index], goal.places[index], plans)
        if keep and (before is not None or piece.cross_nm.nbytes <= self.room):
            self.room -= 0 if before is not None else piece.cross_nm.nbytes
            self.kept[number, index] = under, piece
        return piece

    def product(self, basis: Basis, place: Place, goal: Place, plans: Plans) -> Products:
        """What one parameter says of a basis, with all else that it stands on carried along `plans`."""
        return Products.of(*self.rows(place, goal, plans), sums=False)

    def rows(self, place: Place, goal: Place, plans: Plans) -> tuple[Tensor, Tensor]:
        """The rows (n, D) and (m, D) that `product` is of."""
        pairs = [
            (here, there, plans[other.name])
            for other, here, there in self.lying[place.name]
            if here is not place and other.name in plans
        ]
        weight = along(opened(self.model[place.name], self.groups[place.name]), pairs)
        reference = opened(self.reference[place.name], self.groups[place.name])
        return rows_of(weight, place), rows_of(reference, goal)


def activations(
    module: nn.Module, structure: Structure, which: Mapping[str, Sequence[Activation]], inputs: Inputs
) -> Iterator[dict[str, Tensor]]:
    """Batch by batch the activations (n, D) of each basis in `which`, in eval mode."""
    names = {activation.node for watched in which.values() for activation in watched}
    run = _Watcher(module, structure.graph, names)
    for batch in pieces(inputs, PIECE):
        with in_eval_mode(module):  # not around the yield: whoever reads would go on without gradients
            seen = run.watch(batch)
        yield {
            name: torch.cat([_units(seen[activation.node], activation) for activation in watched], dim=1)
            for name, watched in which.items()
        }


def watched(basis: Basis, which: str) -> tuple[Activation, ...]:
    """Where to watch a basis before (`pre`) or behind (`post`) its nonlinearity; where it has none, before."""
    return basis.activated or basis.written if which == "post" else basis.written


def activation_products(
    modules: tuple[nn.Module, nn.Module],
    structures: tuple[Structure, Structure],
    inputs: Inputs,
    which: str,
    statistic: str,
) -> dict[str, Products]:
    """Of each basis that can be watched, by its name in the first, over the same inputs for both modules."""
    wanted = [
        {here.name: watched(part, which) for here, part in zip(structures[0].bases, of.bases, strict=True)}
        for of in structures
    ]
    streams = [
        activations(module, part, {name: nodes for name, nodes in of.items() if nodes}, inputs)
        for module, part, of in zip(modules, structures, wanted, strict=True)
    ]
    found: dict[str, Products] = {}
    for first, second in zip(*streams, strict=True):
        for name, features in first.items():
            piece = Products.of(features.double(), second[name].double())
            found[name] = found[name] + piece if name in found else piece
    if statistic != "raw":
        found = {name: products.centred() for name, products in found.items()}
    if statistic == "standardised":
        found = {name: products.normalised() for name, products in found.items()}
    return found


def _units(values: Tensor, activation: Activation) -> Tensor:
    return values.movedim(activation.dim, 0)[activation.positions].flatten(1)


class _Watcher(fx.Interpreter):
    def __init__(self, module: nn.Module, graph: fx.Graph, names: set[str]) -> None:
        super().__init__(module, graph=graph)
        self.names = names
        self.seen: dict[str, Tensor] = {}

    def watch(self, inputs: Inputs) -> dict[str, Tensor]:
        self.seen = {}
        self.run(*tensors(inputs))
        return self.seen

    def run_node(self, n: fx.Node) -> object:
        value = super().run_node(n)
        if n.name in self.names:
            # A later layer may write into the same memory (inplace=True).
            self.seen[n.name] = value[0].clone() if isinstance(value, tuple) else value.clone()
        return value
