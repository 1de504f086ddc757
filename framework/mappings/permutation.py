"""The permutation: each target dimension is one source dimension, translated.

For samples z_i, y_i with means m1 and m2,

    P = argmin  Σ_i ||P (z_i - m1) - (y_i - m2)||²   over the permutation matrices          (1)

The norms of both sides do not depend on P, so that (1) is the linear assignment problem

    P = argmax  tr(Pᵀ C),   C = Σ_i (y_i - m2)(z_i - m1)ᵀ                                   (2)

which is solved exactly, in O(D³) [1]. The mapping is z → P (z - m1) + m2.

[1] Crouse: On implementing 2D rectangular assignment algorithms. IEEE Transactions on Aerospace and Electronic
    Systems 52(4), 2016 (what `scipy.optimize.linear_sum_assignment` does).

Shapes: N samples, D source and as many target dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

from framework.errors import Problem
from framework.mappings.base import AffineMapping, Mapping, Method
from framework.mappings.latents import Array


class PermutationMapping(AffineMapping):
    """z → P (z - m1) + m2, with P (D, D)."""

    kind = "permutation"


@dataclass(frozen=True, kw_only=True)
class Permutation(Method):
    """`Permutation().fit(z_source, z_target)`: the best assignment of source to target dimensions."""

    mapping = PermutationMapping
    uses_ridge = False

    @classmethod
    def size_problems(cls, source_dim: int, target_dim: int) -> list[Problem]:
        """It needs as many target as source dimensions."""
        if source_dim == target_dim:
            return []
        message = (
            f"has {target_dim} dimensions where z_source has {source_dim}; a permutation needs as many: "
            "use linear or affine"
        )
        return [Problem("z_target", message)]

    def _fit_pair(self, z_ND: Array, y_NE: Array, ridges: Sequence[float]) -> list[Mapping]:
        mean_D, mean_E = z_ND.mean(axis=0), y_NE.mean(axis=0)
        rows, columns = linear_sum_assignment((y_NE - mean_E).T @ (z_ND - mean_D), maximize=True)
        permutation_ED = np.zeros((len(mean_E), len(mean_D)))
        permutation_ED[rows, columns] = 1
        bias_E = mean_E - permutation_ED @ mean_D
        return [PermutationMapping.of(permutation_ED, bias_E, mean_D) for _ in ridges]
