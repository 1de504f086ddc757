"""The shared bases of a module: which axes of which parameters must be permuted together.

The hidden units of a layer have no order. To permute them leaves the function as it is, if whatever makes them
(rows, biases), scales them (normalisation) and takes them (columns) is permuted alike. Units that only differ in
their number form one `Basis`: they lie on the same axes, and within the same kind of block. The basis of a
residual stream holds the rows of every layer that writes to it. Blocks (heads of attention, groups of a
convolution) move as wholes; the bases that lie in the same blocks are tied: their blocks move together.

Every derivation is put to the test before it is used (`symmetry.py`).

Ainsworth, Hayase and Srinivasa, "Git Re-Basin: merging models modulo permutation symmetries", 2023, section 3,
write such bases down by hand; here they follow from the graph.

Shapes: n units of a basis, K places that each takes on an axis (height times width behind a flatten).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, fx, nn

from framework.errors import InvalidInput, Problem
from framework.fusion.flow import walk
from framework.fusion.units import FIXED, Ints
from framework.fusion.walk import Role, Slot, Walk
from framework.models.graph import Traced

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """Where a basis lies on an axis of a parameter or buffer: `positions` (n, K) along it."""

    name: str
    axis: int
    role: Role
    positions: Tensor
    groups: int = 1

    @cached_property
    def in_order(self) -> bool:
        """Whether the units stand on the axis one behind the other, from its beginning."""
        return torch.equal(self.positions.flatten(), torch.arange(len(self.positions)))


@dataclass(frozen=True)
class Activation:
    """Where a basis can be watched: the node, the dimension, and the units' `positions` (n, K) along it."""

    node: str
    dim: int
    positions: Tensor


@dataclass(frozen=True)
class Basis:
    """Units that may change places with one another.

    Attributes:
        name: The first layer that writes them.
        size: n.
        places: Every axis on which they lie.
        written, activated: The nodes that hold them as a layer wrote them, and behind a nonlinearity.
        blocks: The units of each block, where they keep together; none where each is free.
        tie: Bases with one number move their blocks together.
    """

    name: str
    size: int
    places: tuple[Place, ...]
    written: tuple[Activation, ...]
    activated: tuple[Activation, ...]
    blocks: tuple[Tensor, ...] = ()
    tie: int | None = None


def derive(module: nn.Module, traced: Traced, *, fix_outputs: bool = True) -> tuple[Basis, ...]:
    """The bases of `module` from its graph, in the order in which that writes them.

    With `fix_outputs` the order of the outputs (classes, pixels) stays; without, the last layer's rows form a
    basis too, and permuting it permutes the outputs.

    Raises:
        InvalidInput: a node has no rule, or parameters are shared by layers.
    """
    refuse_sharing(module)
    refuse_layers_run_twice(module, [str(node.target) for node in traced.graph.nodes if node.op == "call_module"])
    return _bases(walk(module, traced, fix_outputs=fix_outputs))


def refuse_sharing(module: nn.Module) -> None:
    """Refuse a module in which one tensor is the parameter of several layers.

    Raises:
        InvalidInput: with all names of each such tensor.
    """
    names: dict[int, list[str]] = defaultdict(list)
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names[id(parameter)].append(name)
    shared = [same for same in names.values() if len(same) > 1]
    if shared:
        message = "share one tensor; give each layer its own parameters (a copy) before fusing"
        raise InvalidInput([Problem(" and ".join(same), message) for same in shared], type(module).__name__)


def refuse_layers_run_twice(module: nn.Module, called: Sequence[str]) -> None:
    """Refuse a layer with parameters that the forward pass runs more than once: its parameters are shared too.

    Raises:
        InvalidInput: with the name of each.
    """
    owners = {name for name, part in module.named_modules() if next(part.parameters(), None) is not None}
    twice = sorted({name for name in called if called.count(name) > 1 and name in owners})
    if twice:
        message = "is run more than once, so that its parameters are shared; give each call a layer of its own"
        raise InvalidInput([Problem(name, message) for name in twice], type(module).__name__)


def _bases(found: Walk) -> tuple[Basis, ...]:
    class_of = found.units.classes()
    slots = [*found.slots, *_loose_slots(found, class_of)]
    lies: dict[int, list[int]] = defaultdict(list)  # of each class the slots that it lies on, as often as it does
    for number, slot in enumerate(slots):
        for unit in class_of[slot.units].tolist():
            lies[unit].append(number)
    lies.pop(FIXED, None)
    parents = _parents(found, class_of, set(lies))
    members: dict[tuple[object, ...], list[int]] = defaultdict(list)
    pinned = _pinned(parents)
    for unit in sorted(lies):
        block = parents.get(unit, ())
        kind = block if block in pinned else len(block)
        members[(tuple(sorted(lies[unit])), kind)].append(unit)
    ties: dict[tuple[object, ...], int] = {}
    made = []
    for units in members.values():
        if len(units) > 1:
            made.append(_basis(found, slots, class_of, np.array(units), parents, ties))
    return tuple(made)


def _loose_slots(found: Walk, class_of: Ints) -> list[Slot]:
    """Parameters that no layer holds (a class token, positions): along one axis of each there may be units."""
    slots = []
    for name, labels in found.loose.items():
        classes = class_of[labels.numpy()]
        axes = [axis for axis in range(classes.ndim) if (classes != classes.take([0], axis)).any()]
        if len(axes) > 1:
            message = f"has units along axes {axes}; a parameter outside of a layer may have them along one"
            raise InvalidInput([Problem(name, message)])
        slots += [Slot(name, axis, np.moveaxis(classes, axis, 0).reshape(classes.shape[axis], -1)[:, 0], "writes")
                  for axis in axes]  # fmt: skip
    return slots


def _parents(found: Walk, class_of: Ints, lying: set[int]) -> dict[int, tuple[int, ...]]:
    """Of each class the blocks that it lies in. A block that cannot move is told by its own number, negative."""
    parents: dict[int, set[int]] = defaultdict(set)
    for unit, block in found.units.blocks().tolist():
        moves = class_of[block] != FIXED and class_of[block] not in lying
        parents[int(class_of[unit])].add(int(class_of[block]) if moves else -block)
    parents.pop(FIXED, None)
    return {unit: tuple(sorted(blocks)) for unit, blocks in parents.items()}


def _pinned(parents: Mapping[int, tuple[int, ...]]) -> set[tuple[int, ...]]:
    """The blocks that stay where they are: fixed ones, and units that lie in several blocks at once."""
    return {blocks for blocks in parents.values() if len(blocks) > 1 or blocks[0] < 0}


def _basis(
    found: Walk,
    slots: Sequence[Slot],
    class_of: Ints,
    units: Ints,
    parents: Mapping[int, tuple[int, ...]],
    ties: dict[tuple[object, ...], int],
) -> Basis:
    places = []
    for slot in slots:
        positions = _positions(class_of[slot.units], units)
        if positions is not None:
            places.append(Place(slot.name, slot.axis, slot.role, positions, slot.groups))
    written = _watched(found, class_of, units, found.written)
    activated = _watched(found, class_of, units, found.activated)
    name = _name(slots, places)
    blocks = [parents.get(int(unit), ()) for unit in units]
    if len(set(blocks)) == 1:
        return Basis(name, len(units), tuple(places), written, activated)
    order = {block: number for number, block in enumerate(sorted(set(blocks)))}
    tie = ties.setdefault(tuple(order), len(ties))
    of_unit = torch.tensor([order[block] for block in blocks])
    members = tuple(torch.nonzero(of_unit == number).squeeze(1) for number in range(len(order)))
    return Basis(name, len(units), tuple(places), written, activated, members, tie)


def _name(slots: Sequence[Slot], places: Sequence[Place]) -> str:
    """The first layer that writes the units, with the row where they begin if others lie on its rows too."""
    first = next((place for place in places if place.role == "writes"), places[0])
    length = next(len(slot.units) for slot in slots if (slot.name, slot.axis) == (first.name, first.axis))
    name = first.name.removesuffix(".weight")
    return name if first.positions.numel() == length else f"{name}[{int(first.positions.min())}:]"


def _watched(found: Walk, class_of: Ints, units: Ints, nodes: Sequence[fx.Node]) -> tuple[Activation, ...]:
    watched = []
    for node in nodes:
        if node in found.channels:
            dim, along = found.channels[node]
            positions = _positions(class_of[along], units)
            if positions is not None:
                watched.append(Activation(node.name, dim, positions))
    return tuple(watched)


def _positions(along: Ints, units: Ints) -> Tensor | None:
    """Where each of `units` stands on an axis, (n, K), or None if the basis does not lie there."""
    among = np.zeros(max(along.max(initial=0), units.max()) + 1, np.bool_)
    among[units] = True
    there = np.flatnonzero(among[along])
    if not len(there) or len(there) % len(units):
        return None
    order = there[np.argsort(along[there], kind="stable")]
    return torch.from_numpy(order.reshape(len(units), -1))
