"""Hidden units as numbers, and what a network says about them: which are the same, and which move together.

A unit is an integer. `FIXED` is everything that may not move: pixels, positions, classes. Two kinds of
facts are gathered while a graph is walked (`flow.py`):

    same(a, b)      a and b are one unit: the writer's row and the reader's column, the two sides of a sum
    inside(a, B)    the units a move within their block B, and B moves as a whole: a head of attention, a group
                    of a grouped convolution

The first is an equivalence; its classes are found at the end, all at once, as connected components.

Shapes: P pairs, U units.
"""

import bisect
import itertools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix  # type: ignore[import-untyped]
from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]

FIXED = 0
Ints = npt.NDArray[np.int64]


@dataclass
class Units:
    """A growing set of units with the facts about them.

    Attributes:
        count: How many there are; they are 0 (`FIXED`) … count - 1.
        level: Of each unit whether it is one by itself (0), a block of them (1), a block of blocks (2), …
    """

    count: int = 1
    level: list[Ints] = field(default_factory=lambda: [np.zeros(1, np.int64)])
    _families: list[int] = field(default_factory=list)
    _same: list[Ints] = field(default_factory=list)
    _inside: list[Ints] = field(default_factory=list)

    def new(self, number: int, level: int = 0) -> Ints:
        """That many new units, (number,)."""
        made = np.arange(self.count, self.count + number, dtype=np.int64)
        self._families.append(self.count)
        self.count += number
        self.level.append(np.full(number, level, np.int64))
        return made

    def levels(self, units: Ints) -> Ints:
        """The level of each of `units`, in their shape."""
        self.level = [np.concatenate(self.level)]
        found: Ints = self.level[0][units]
        return found

    def same(self, first: Ints, second: Ints) -> None:
        """`first` and `second`, of one shape, are the same, one by one."""
        differ = first != second
        if differ.any():
            self._same.append(_pairs(first[differ], second[differ]))

    def inside(self, units: Ints, blocks: Ints) -> None:
        """`units` are in `blocks`, of one shape, one by one."""
        pairs = _pairs(units, blocks)
        self._inside.append(pairs[pairs[:, 0] != FIXED])

    def classes(self) -> Ints:
        """For each unit, (U,), the least unit that is the same as it."""
        pairs = np.concatenate([np.empty((0, 2), np.int64), *self._same])
        links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(self.count, self.count))
        _, label_U = connected_components(links, directed=False)
        first = np.full(label_U.max() + 1, self.count, np.int64)
        np.minimum.at(first, label_U, np.arange(self.count))
        least: Ints = first[label_U]
        return least

    def unite(self) -> Ints:
        """Make one of the blocks of two layers that hold the same units, as two convolutions in the same groups
        after one another do: block by block they move together. The classes then, as `classes`.
        """
        class_of = self.classes()
        if not self._inside:
            return class_of
        families: Mapping[int, set[tuple[int, int]]] = defaultdict(set)  # of each unit (family, block)
        for unit, block in self.blocks().tolist():
            if FIXED not in (class_of[unit], class_of[block]):
                families[int(class_of[unit])].add((self._family(block), int(class_of[block])))
        met: Mapping[tuple[int, int], set[tuple[int, int]]] = defaultdict(set)
        for inside in families.values():
            for (first, one), (second, other) in itertools.combinations(sorted(inside), 2):
                met[first, second].add((one, other))
        for pairs in met.values():
            ones, others = np.array(sorted(pairs)).T
            if len(pairs) == len(set(ones.tolist())) == len(set(others.tolist())):
                self.same(ones, others)
        return self.classes() if met else class_of

    def _family(self, unit: int) -> int:
        """The number of the call of `new` that made the unit."""
        return bisect.bisect_right(self._families, unit)

    def blocks(self) -> Ints:
        """Every pair (unit, block), (P, 2), as they were told."""
        return np.concatenate([np.empty((0, 2), np.int64), *self._inside])


def _pairs(first: Ints, second: Ints) -> Ints:
    """Each pair once, (P, 2)."""
    joined = np.unique(first.ravel() << 32 | second.ravel())
    return np.stack([joined >> 32, joined & 0xFFFFFFFF], axis=1)
