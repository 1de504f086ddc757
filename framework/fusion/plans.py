"""Transport plans: which hidden units of one model are matched with which of another.

A plan for a basis couples the n units of a model with the m units of a reference. Its mass is carried over in two
ways. Whatever makes a unit (rows) becomes the mean of what makes its partners; what leaves a unit (columns) is
shared out among its partners:

    rows       T diag(1 / Tᵀ1)      columns sum to 1                                                            (1)
    columns    diag(1 / T1) T       rows sum to 1                                                               (2)

For equal widths and uniform marginals both are the plan of Singh and Jaggi, "Model fusion via optimal transport",
2020, algorithm 1. For different widths they are not: there (1) is used twice, which multiplies what a unit sends
out by the ratio of the widths; with (2) a model that is widened keeps its function.

Shapes: n units of the model, m of the reference.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

State = Mapping[str, Tensor]
LEAST_MASS = 1e-12


@dataclass(frozen=True)
class Plan:
    """A coupling (n, m), or, where each unit has one partner, `index` (m,): unit j is matched with `index[j]`.

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

    @cached_property
    def key(self) -> bytes:
        """A digest of what the plan holds: plans with one key are the same."""
        held = self.index if self.index is not None else self.matrix()
        kind = b"index" if self.index is not None else b"coupling"
        return hashlib.blake2b(held.contiguous().numpy().tobytes(), digest_size=16, key=kind).digest()

    def equals(self, other: "Plan") -> bool:
        """Whether both are one plan, up to rounding."""
        if self.index is not None and other.index is not None:
            return torch.equal(self.index, other.index)
        return torch.allclose(self.matrix(), other.matrix(), atol=1e-9)

    def rows(self) -> Tensor:
        """Equation (1), (n, m). Kept: every parameter that a basis is on is carried along it."""
        return self._rows

    @cached_property
    def _rows(self) -> Tensor:
        coupling = self.matrix()
        return coupling / coupling.sum(dim=0, keepdim=True).clamp_min(LEAST_MASS)

    def columns(self) -> Tensor:
        """Equation (2), (n, m)."""
        coupling = self.matrix()
        return coupling / coupling.sum(dim=1, keepdim=True).clamp_min(LEAST_MASS)

    def diagonal(self) -> float:
        """The share of mass on the diagonal, in [0, 1]: 1 where every unit is matched with itself."""
        if self.index is not None:
            return float((self.index == torch.arange(len(self.index))).double().mean())
        coupling = self.matrix()
        return float(coupling.diagonal().sum() / coupling.sum().clamp_min(LEAST_MASS))


Plans = Mapping[str, Plan]


@dataclass(frozen=True)
class Coupled:
    """A plan with what it costs: the mean cost of a unit of mass."""

    plan: Plan
    cost: float


@dataclass(frozen=True)
class Matched:
    """Plans of bases that are matched together, by name; `complete` where all of their writers were compared."""

    coupled: Mapping[str, Coupled]
    complete: bool
