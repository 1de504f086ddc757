"""The shared bases of a module: which axes of which parameters must be permuted together.

The hidden units of a layer have no order. To permute them leaves the function as it is, if whatever makes them
(rows, biases), scales them (normalisation) and takes them (columns) is permuted alike. Units that only differ in
their number form one `Basis`: they are on the same axes, and in the same kind of block. The basis of a
residual stream holds the rows of every layer that writes to it. Blocks (heads of attention, groups of a
convolution) move as wholes; bases in the same blocks are tied: their blocks move together.

Every derivation is put to the test before it is used (`symmetry.py`).

Ainsworth, Hayase and Srinivasa, "Git Re-Basin: merging models modulo permutation symmetries", 2023, section 3,
write such bases down by hand; here they follow from the graph.

Shapes: n units of a basis, K positions of each on an axis (height times width behind a flatten).
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
    """A basis on an axis of a parameter or buffer: `positions` (n, K) along it."""

    name: str
    axis: int
    role: Role
    positions: Tensor
    groups: int = 1

    @cached_property
    def in_order(self) -> bool:
        """Whether the units follow one another along the axis, from its beginning."""
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
        places: Every axis that they are on.
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


def derive(
    module: nn.Module, traced: Traced, *, fix_outputs: bool = True
) -> tuple[tuple[Basis, ...], tuple[str, ...]]:
    """The bases of `module` from its graph, in the order in which that writes them, and the layers that are on
    none though they do not give the outputs (`Walk.pinned`).

    With `fix_outputs` the order of the outputs (classes, pixels) stays; without, the last layer's rows form a
    basis too, and permuting it permutes the outputs.

    Raises:
        InvalidInput: a node has no rule, or parameters are shared by layers.
    """
    refuse_sharing(module)
    refuse_layers_run_twice(module, [str(node.target) for node in traced.graph.nodes if node.op == "call_module"])
    found = walk(module, traced, fix_outputs=fix_outputs)
    return _bases(found), found.pinned


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
    class_of = found.units.unite()
    slots = [*found.slots, *_elementwise_slots(found, class_of)]
    on_slots: dict[int, list[int]] = defaultdict(list)  # of each class the slots that it is on, as often as it is
    for number, slot in enumerate(slots):
        for unit in class_of[slot.units].tolist():
            on_slots[unit].append(number)
    on_slots.pop(FIXED, None)
    parents = _parents(found, class_of, set(on_slots))
    members: dict[tuple[object, ...], list[int]] = defaultdict(list)
    pinned = _pinned(parents)
    for unit in sorted(on_slots):
        block = parents.get(unit, ())
        kind = block if block in pinned else len(block)
        members[(tuple(sorted(on_slots[unit])), kind)].append(unit)
    ties: dict[tuple[object, ...], int] = {}
    axes = [_Axis.of(class_of[slot.units]) for slot in slots]
    watched = {node: _Axis.of(class_of[along]) for node, (_, along) in found.channels.items()}
    made = []
    for units in members.values():
        if len(units) > 1:
            on = [(slots[number], axes[number]) for number in dict.fromkeys(on_slots[units[0]])]
            made.append(_basis(found, on, watched, np.array(units), parents, ties))
    return tuple(made)


def _elementwise_slots(found: Walk, class_of: Ints) -> list[Slot]:
    """Parameters that no layer holds (a class token, positions): along one axis of each there may be units."""
    slots = []
    sizes = np.bincount(class_of)
    sizes[class_of[found.units.blocks()[:, 0]]] += 1
    for name, labels in found.elementwise.items():
        classes = class_of[labels.numpy()]
        used = (sizes[classes] > 1) | (classes == FIXED)  # of more positions than there are inputs some are not
        if not used.any():
            continue
        axes = [axis for axis in range(classes.ndim) if _differs(classes, used, axis)]
        if len(axes) > 1:
            message = f"has units along axes {axes}; a parameter outside of a layer may have them along one"
            raise InvalidInput([Problem(name, message)])
        for axis in axes:
            rows = np.moveaxis(np.where(used, classes, -1), axis, 0).reshape(classes.shape[axis], -1)
            units = rows.max(axis=1)
            if (units < 0).any():
                raise InvalidInput([Problem(name, f"is used in part along axis {axis}, where it has units")])
            slots.append(Slot(name, axis, units, "writes"))
    return slots


def _differs(classes: Ints, used: "np.ndarray", axis: int) -> bool:
    """Whether classes that are used differ along an axis."""
    least = np.where(used, classes, classes.max()).min(axis=axis)
    largest = np.where(used, classes, FIXED).max(axis=axis)
    shown = used.any(axis=axis)
    return bool((least != largest)[shown].any())


def _parents(found: Walk, class_of: Ints, on_axes: set[int]) -> dict[int, tuple[int, ...]]:
    """Of each class the blocks that it is in. A fixed block is told by its own number, negative. A block that
    has a parameter itself (a bias for each head) is its own block: what is in it moves with it.
    """
    parents: dict[int, set[int]] = defaultdict(set)
    for unit, block in found.units.blocks().tolist():
        outer = int(class_of[block])
        parents[int(class_of[unit])].add(outer if outer != FIXED else -block)
        if outer in on_axes:
            parents[outer].add(outer)
    parents.pop(FIXED, None)
    return {unit: tuple(sorted(blocks)) for unit, blocks in parents.items()}


def _pinned(parents: Mapping[int, tuple[int, ...]]) -> set[tuple[int, ...]]:
    """The blocks that stay where they are: fixed ones, and those of units that are in several blocks at once.

    Their units may still change places within all that they are in.
    """
    stays = {block for blocks in parents.values() if len(blocks) > 1 for block in blocks}
    return {blocks for blocks in parents.values() if len(blocks) > 1 or blocks[0] < 0 or blocks[0] in stays}


def _basis(
    found: Walk,
    slots: Sequence[tuple[Slot, "_Axis"]],
    channels: Mapping[fx.Node, "_Axis"],
    units: Ints,
    parents: Mapping[int, tuple[int, ...]],
    ties: dict[tuple[object, ...], int],
) -> Basis:
    places = []
    for slot, axis in slots:
        positions = axis.positions(units)
        if positions is not None:
            places.append(Place(slot.name, slot.axis, slot.role, positions, slot.groups))
    written = _watched(found, channels, units, found.written)
    activated = _watched(found, channels, units, found.activated)
    name = _name([slot for slot, _ in slots], places)
    blocks = [parents.get(int(unit), ()) for unit in units]
    if len(set(blocks)) == 1:
        return Basis(name, len(units), tuple(places), written, activated)
    order = {block: number for number, block in enumerate(sorted(set(blocks)))}
    tie = ties.setdefault(tuple(order), len(ties))
    of_unit = torch.tensor([order[block] for block in blocks])
    members = tuple(torch.nonzero(of_unit == number).squeeze(1) for number in range(len(order)))
    return Basis(name, len(units), tuple(places), written, activated, members, tie)


def _name(slots: Sequence[Slot], places: Sequence[Place]) -> str:
    """The first layer that writes the units, with the row where they begin if others are on its rows too."""
    first = next((place for place in places if place.role == "writes"), places[0])
    length = next(len(slot.units) for slot in slots if (slot.name, slot.axis) == (first.name, first.axis))
    name = first.name.removesuffix(".weight")
    return name if first.positions.numel() == length else f"{name}[{int(first.positions.min())}:]"


def _watched(
    found: Walk, channels: Mapping[fx.Node, "_Axis"], units: Ints, nodes: Sequence[fx.Node]
) -> tuple[Activation, ...]:
    watched = []
    for node in nodes:
        if node in channels:
            positions = channels[node].positions(units)
            if positions is not None:
                watched.append(Activation(node.name, found.channels[node][0], positions))
    return tuple(watched)


@dataclass(frozen=True)
class _Axis:
    """The classes along an axis, and the positions of each: read once, however many bases there are."""

    order: Ints
    classes: Ints
    starts: Ints
    counts: Ints

    @classmethod
    def of(cls, along: Ints) -> "_Axis":
        order = np.argsort(along, kind="stable").astype(np.int64)
        classes, starts, counts = np.unique(along[order], return_index=True, return_counts=True)
        return cls(order, classes, starts.astype(np.int64), counts.astype(np.int64))

    def positions(self, units: Ints) -> Tensor | None:
        """The positions of each of `units`, in order of size, (n, K), or None if the basis is not on this axis."""
        place = np.minimum(np.searchsorted(self.classes, units), len(self.classes) - 1)
        if (self.classes[place] != units).any() or (self.counts[place] != self.counts[place[0]]).any():
            return None
        steps = np.arange(self.counts[place[0]])
        return torch.from_numpy(self.order[self.starts[place][:, None] + steps])
