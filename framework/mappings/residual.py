"""The residual mapping: a linear map, and a perceptron on what it leaves over.

    T0   = the linear or affine mapping, fitted to all samples with the ridge λ         (stage 1, `ridge.py`)
    r_i  = y_i - T0(z_i)
    T(z) = T0(z) + s · MLP(z),    MLP(z_i) ≈ r_i / s                                   (stage 2, `mlp_training.py`)

with the weight decay λ in stage 2 and s the root mean square of r in each dimension. r is scaled but not centred:
a perceptron that is zero everywhere leaves T0 exactly as it is. So it starts, its last layer being zero, and this
start is a candidate for the best weights: the error of the held-out samples is never above that of T0. T0 has
seen them, though: with few samples r is smaller on them than on new points.

The original [1] took the affine mapping for stage 1 at first, and the linear one later.

[1] latent-communication. Technical University of Munich, 2024. github.com/kaieberl/latent-communication.

Shapes: N samples, D source dimensions, E target dimensions, H hidden neurons.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self, get_args

import numpy as np
from torch import Tensor

from framework.errors import Problem
from framework.mappings.base import AffineMapping, LinearMapping, Mapping, Method, Numbers, Pair
from framework.mappings.latents import Array, rounding_of
from framework.mappings.mlp import MLPMapping
from framework.mappings.mlp_recipe import Cell, Recipe
from framework.mappings.mlp_training import train
from framework.mappings.ridge import factorise, solve

Base = Literal["linear", "affine"]


class ResidualMapping(Mapping):
    """z → base(z) + correction(z): a linear or affine mapping, and a perceptron."""

    kind = "residual"

    def __init__(self, base: LinearMapping, correction: MLPMapping) -> None:
        super().__init__(base.source_dim, base.target_dim)
        self.base, self.correction = base, correction

    @classmethod
    def from_numbers(cls, numbers: Numbers, source_dim: int, target_dim: int) -> Self:
        """The mapping with these saved numbers, which tell its base and how many hidden neurons there are.

        Raises:
            ArtifactError: the numbers are not those of such a mapping.
        """
        hidden = len(numbers["correction.bias_1"]) if "correction.bias_1" in numbers else 0
        base = (AffineMapping if "base.target_mean" in numbers else LinearMapping)(source_dim, target_dim)
        return cls(base, MLPMapping(source_dim, target_dim, hidden)).filled(numbers)

    def forward(self, z_source_ND: Tensor) -> Tensor:
        """The image of each row, (N, E)."""
        mapped_NE: Tensor = self.base(z_source_ND) + self.correction(z_source_ND)
        return mapped_NE


@dataclass(frozen=True, kw_only=True)
class Residual(Recipe, Method):
    """`Residual(ridge=0.1, base="affine").fit(z_source, z_target)`. `ridge` is λ of both stages.

    Options: `base`, and those of `Recipe`. `fit_grid` trains the cells of all pairs and ridges together, which is
    many times faster than one by one and gives the same mappings.

    Raises:
        TrainingDiverged: from every `fit`, where no epoch had a finite held-out error.
    """

    mapping = ResidualMapping

    base: Base = "linear"

    def _option_problems(self) -> list[Problem]:
        if self.base in get_args(Base):
            return self.problems()
        return [*self.problems(), Problem("base", f"is {self.base!r}; allowed: {', '.join(get_args(Base))}")]

    def _fit_pair(self, z_ND: Array, y_NE: Array, ridges: Sequence[float]) -> list[Mapping]:
        return self._fit_pairs([(z_ND, y_NE)], ridges)[0]

    def _fit_pairs(self, pairs: Sequence[Pair], ridges: Sequence[float]) -> list[list[Mapping]]:
        bases: list[LinearMapping] = []
        cells: list[Cell] = []
        kind = AffineMapping if self.base == "affine" else LinearMapping
        for z_ND, y_NE in pairs:
            source = factorise(z_ND, centre=self.base == "affine")
            for a_ED, b_E, ridge in zip(*solve(source, y_NE, ridges), ridges, strict=True):
                bases.append(kind.of(a_ED, b_E, source.mean))
                cells.append(Cell(z_ND, _left_over(y_NE, z_ND @ a_ED.T + b_E), ridge))
        trained = zip(bases, train(cells, self, corrects=True), strict=True)
        found = iter(ResidualMapping(base, MLPMapping.of(correction)) for base, correction in trained)
        return [[next(found) for _ in ridges] for _ in pairs]


def _left_over(y_NE: Array, mapped_NE: Array) -> Array:
    """The residuals; zeros where they are rounding noise, which must not be scaled up and learnt."""
    left_NE = y_NE - mapped_NE
    noise = float(rounding_of(y_NE).max() * np.abs(y_NE).max())
    return left_NE if np.abs(left_NE).max() > noise else np.zeros_like(left_NE)
