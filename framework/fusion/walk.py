"""What is found while a graph is walked: which axis of which parameter holds which hidden units.

Shapes: tensors of units have the shape of the activation for a small batch; V indices of an axis.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor, fx

from framework.fusion.units import FIXED, Ints, Units

Role = Literal["writes", "reads", "scales", "counts"]


class Unknown(Exception):
    """Why a node cannot be walked; the text goes on from the node's description."""


@dataclass(frozen=True)
class Slot:
    """One axis of one parameter or buffer, and the units (V,) along it.

    `writes`: rows that make the units, biases among them. `reads`: columns that take them. `scales`: one number
    a unit, as in normalisation. `counts`: one that is no weight, as running statistics are. Of a grouped
    convolution the axis `reads` is shared by its `groups`: units (V,) of all groups follow one another.
    """

    name: str
    axis: int
    units: Ints
    role: Role
    groups: int = 1


@dataclass
class Walk:
    """What is found on the way.

    Attributes:
        slots: Every axis with units, in the order of the graph.
        written: The nodes in which a layer puts its own rows.
        activated: The nodes that hold what came out of a nonlinearity.
        channels: Of a node in which units run along one dimension, that dimension and the units along it, (V,).
        elementwise: Of a parameter used outside of layers the unit of each element.
        pinned: Layers none of whose rows may move, as all of them meet something that has an order of its own.
    """

    units: Units = field(default_factory=Units)
    slots: list[Slot] = field(default_factory=list)
    written: list[fx.Node] = field(default_factory=list)
    activated: list[fx.Node] = field(default_factory=list)
    channels: dict[fx.Node, tuple[int, Ints]] = field(default_factory=dict)
    elementwise: dict[str, Tensor] = field(default_factory=dict)
    pinned: tuple[str, ...] = ()
    held: dict[str, list[tuple[str, int | None]]] = field(default_factory=dict)  # of a computed weight its tensors

    def along(self, labels: Tensor, dim: int) -> Ints:
        """The units along `dim`, (V,): whatever the other indices are, they are the same."""
        rows = labels.movedim(dim, 0).reshape(labels.shape[dim], -1).numpy()
        first: Ints = rows[:, 0]
        self.units.same(np.broadcast_to(first[:, None], rows.shape), rows)
        return first

    def slot(self, name: str, axis: int, units: Ints, role: Role, groups: int = 1) -> None:
        """Note an axis; of a weight that is computed, on the tensors that hold it."""
        for tensor, along in self.held.get(name, [(name, None)]):
            if along is None:
                self.slots.append(Slot(tensor, axis, units, role, groups))
            elif along == axis:
                self.slots.append(Slot(tensor, axis, units, "scales"))

    def pinned_so_far(self) -> tuple[str, ...]:
        """What `pinned` holds, by all that was found until now; each layer once, in the order of the graph."""
        class_of = self.units.classes()
        writers = (slot for slot in self.slots if slot.role == "writes" and slot.name.endswith("weight"))
        found = (slot for slot in writers if slot.units.any() and not _may_move(class_of[slot.units]))
        return tuple(dict.fromkeys(slot.name.removesuffix(".weight") for slot in found))

    def together(self, labels: Tensor, dims: Iterable[int]) -> Tensor:
        """What a reduction over `dims` leaves, in size 1: the unit, or a block of several."""
        kept = [dim for dim in range(labels.ndim) if dim not in set(dims)]
        rows = labels.permute(*kept, *dims).reshape(*(labels.shape[dim] for dim in kept), -1)
        shape = [labels.shape[dim] if dim in kept else 1 for dim in range(labels.ndim)]
        if bool((rows == rows[..., :1]).all()):
            return rows[..., 0].reshape(shape)
        sets, place = rows.flatten(0, -2).sort(dim=1).values.unique(dim=0, return_inverse=True)  # type: ignore[no-untyped-call]
        level = int(self.units.levels(sets.numpy()).max()) + 1
        blocks = self.units.new(len(sets), level)
        self.units.inside(sets.numpy(), blocks[:, None].repeat(sets.shape[1], 1))
        return torch.from_numpy(blocks)[place].reshape(shape)


def spread(units: Ints, dim: int, shape: tuple[int, ...]) -> Tensor:
    """A tensor of units of `shape` with `units` (V,) along `dim`."""
    sizes = [1] * len(shape)
    sizes[dim] = len(units)
    return torch.from_numpy(units).reshape(sizes).expand(shape)


def varies(labels: Tensor, dim: int) -> bool:
    """Whether more than one unit is along `dim`."""
    return bool((labels != labels.narrow(dim, 0, 1)).any())


def _may_move(classes: Ints) -> bool:
    """Whether rows of these classes can be put in another order: there are two or more, or there is one row."""
    return len(classes) == 1 or len(np.setdiff1d(classes, [FIXED])) > 1
