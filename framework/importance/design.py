"""The design of a grid: which levels of which factors each cell has, and which factor is nested in which.

A cell is a combination of levels that has runs. Factors that say the same are one; one that only some runs have,
and that another decides, is left out; one that exists only at some levels of another (its parent), or that is
finer than another, is nested in it.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

ABSENT = "absent"
"""The level of a factor that a run does not have."""
MOST_SPARSE = 16
"""Numbers are renumbered by a table of so many times as many places as there are cells, else by sorting."""


@dataclass(frozen=True)
class Design:
    """The cells of a grid: the mean of each (cells,), and the numbers of its levels (factors, cells)."""

    names: Sequence[str]
    codes: np.ndarray
    absent: np.ndarray
    means: np.ndarray

    def groups(self, chosen: Sequence[int]) -> np.ndarray:
        """For each cell the number of its combination of levels of the chosen factors, from 0 on without gaps."""
        found = np.zeros(self.means.size, dtype=np.int64)
        for index in chosen:
            found = _renumbered(found * self.levels[index] + self.codes[index])
        return found

    @cached_property
    def levels(self) -> list[int]:
        """How many levels each factor has."""
        return [int(codes.max()) + 1 for codes in self.codes]

    @cached_property
    def _explained(self) -> dict[frozenset[int], tuple[float, int]]:
        return {}

    def explained(self, chosen: Sequence[int]) -> tuple[float, int]:
        """V(S) of the chosen factors, and how many combinations of their levels there are."""
        key = frozenset(chosen)
        if key not in self._explained:
            groups = self.groups(chosen)
            sizes = np.bincount(groups)
            means = np.bincount(groups, self.means - self.means.mean()) / sizes
            self._explained[key] = float(sizes @ means**2) / self.means.size, sizes.size
        return self._explained[key]

    @cached_property
    def above(self) -> list[tuple[int, ...]]:
        """For each factor those in which it is nested, the outermost first."""
        count = len(self.names)
        found = [{g for g in range(count) if g != f and self._is_nested(f, g)} for f in range(count)]
        return [tuple(sorted(parents, key=lambda g: len(found[g]))) for parents in found]

    def _is_nested(self, f: int, g: int) -> bool:
        """Whether each level of f occurs at one of g alone, or whether g decides which runs have f at all."""
        together = int(self.groups([f, g]).max()) + 1
        if together == self.levels[f]:
            return True
        if together == self.levels[g] or not self.absent[f].any() or (self.absent[g] & ~self.absent[f]).any():
            return False
        return bool(np.unique(np.stack([self.codes[g], self.absent[f]]), axis=1).shape[1] == self.levels[g])

    def pairs(self) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """The pairs of factors neither of which is nested in the other, and what both are nested in."""
        for f, g in itertools.combinations(range(len(self.names)), 2):
            if f not in self.above[g] and g not in self.above[f]:
                yield f, g, tuple(dict.fromkeys([*self.above[f], *self.above[g]]))

    def is_whole(self) -> bool:
        """Whether effects do not overlap: within what both are nested in, any two factors are independent."""
        for f, g, above in self.pairs():
            outer, of_f, of_g, both = (self.groups([*above, *more]) for more in ([], [f], [g], [f, g]))
            sizes, sizes_f, sizes_g, sizes_both = (np.bincount(groups) for groups in (outer, of_f, of_g, both))
            levels_f, levels_g = _inner(of_f, outer), _inner(of_g, outer)
            if (levels_f * levels_g).sum() != sizes_both.size:
                return False
            if (sizes_both[both] * sizes[outer] != sizes_f[of_f] * sizes_g[of_g]).any():
                return False
        return True


def codes_of(given: Sequence[object], chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of the level of each chosen run (runs,), and whether it has the factor at all (runs,)."""
    levels: dict[object, int] = {}
    codes = np.empty(chosen.size, dtype=np.int64)
    absent = np.empty(chosen.size, dtype=bool)
    for place, index in enumerate(chosen.tolist()):
        value = given[index]
        absent[place] = value is None or bool(value != value)  # noqa: PLR0124  (NaN, in a frame)
        codes[place] = levels.setdefault(ABSENT if absent[place] else _level(value), len(levels))
    return codes, absent


def _level(value: object) -> object:
    """A value as the name of a level: 1 and 1.0 are one, True is another, a list is what it holds."""
    if isinstance(value, bool | np.bool_):
        return ("bool", bool(value))
    return value if isinstance(value, int | float | str | np.number) else ("other", repr(value))


def apart(levels: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The factors that vary, those that say the same as one with both names; their codes and absences."""
    names: list[str] = []
    codes: list[np.ndarray] = []
    absent: list[np.ndarray] = []
    for name, (code, missing) in levels.items():
        if code.size == 0 or code.max() == 0:
            continue
        same = next((i for i, other in enumerate(codes) if _are_one(code, other)), None)
        if same is not None:
            names[same] = f"{names[same]} = {name}"
            continue
        names.append(name)
        codes.append(code)
        absent.append(missing)
    kept = [i for i in range(len(names)) if not _is_told(i, codes, absent)]
    size = codes[0].size if codes else 0
    return (
        [names[i] for i in kept],
        np.array([codes[i] for i in kept], dtype=np.int64).reshape(len(kept), size),
        np.array([absent[i] for i in kept], dtype=bool).reshape(len(kept), size),
    )


def _are_one(code: np.ndarray, other: np.ndarray) -> bool:
    together = np.unique(np.stack([code, other]), axis=1).shape[1]
    return bool(together == code.max() + 1 == other.max() + 1)


def _is_told(index: int, codes: Sequence[np.ndarray], absent: Sequence[np.ndarray]) -> bool:
    """Whether a factor that only some runs have follows from another one: a field of branches from their kind."""
    if not absent[index].any():
        return False
    others = (other for place, other in enumerate(codes) if place != index)
    return any(np.unique(np.stack([other, codes[index]]), axis=1).shape[1] == other.max() + 1 for other in others)


def cells_of(
    names: list[str], codes: np.ndarray, absent: np.ndarray, metric: np.ndarray
) -> tuple[Design, float, float | None]:
    """The cells, the mean variance within them, and the variance of the seeds (s²); None without replicates."""
    if not names:
        return Design(names, codes, absent, metric), 0.0, None
    runs = Design(names, codes, absent, metric)
    groups = runs.groups(range(len(names)))
    _, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    means = np.bincount(groups, metric) / sizes
    squares = np.bincount(groups, (metric - means[groups]) ** 2)
    spare = metric.size - sizes.size
    noise = float(squares.sum() / spare) if spare > 0 else None
    return Design(names, codes[:, first], absent[:, first], means), float((squares / sizes).mean()), noise


def _renumbered(numbers: np.ndarray) -> np.ndarray:
    """The same groups, numbered from 0 on without gaps."""
    most = int(numbers.max()) + 1
    if most > MOST_SPARSE * numbers.size:
        return np.asarray(np.unique(numbers, return_inverse=True)[1])
    there = np.zeros(most, dtype=bool)
    there[numbers] = True
    return np.asarray(np.cumsum(there)[numbers] - 1)


def _inner(groups: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """How many groups there are within each outer group, which they divide."""
    of_each = np.zeros(int(groups.max()) + 1, dtype=np.int64)
    of_each[groups] = outer
    return np.asarray(np.bincount(of_each))
