"""The orthogonal mapping (Procrustes): rotation, reflection and translation, no scaling.

For samples z_i, y_i with means m1 and m2,

    R = argmin  Σ_i ||R (z_i - m1) - (y_i - m2)||²   subject to   RᵀR = I          (1)

has the solution R = U Vᵀ, where U diag(s) Vᵀ = Σ_i (y_i - m2)(z_i - m1)ᵀ is a thin singular value decomposition
[1, 2], and the mapping is z → R (z - m1) + m2. With fewer source than target dimensions R is an isometric
embedding. With more there is none: RᵀR = I needs at least D rows. Where the samples leave R open (fewer than D of
them, say) the decomposition picks one of the solutions.

[1] Schönemann: A generalized solution of the orthogonal Procrustes problem. Psychometrika 31(1), 1966.
[2] Gower, Dijksterhuis: Procrustes Problems. Oxford University Press, 2004.

Shapes: N samples, D source dimensions, E ≥ D target dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from framework.errors import Problem
from framework.mappings.base import AffineMapping, Mapping, Method
from framework.mappings.latents import Array


class OrthogonalMapping(AffineMapping):
    """z → R (z - m1) + m2, with R (E, D)."""

    kind = "orthogonal"


@dataclass(frozen=True, kw_only=True)
class Orthogonal(Method):
    """`Orthogonal().fit(z_source, z_target)`: the nearest isometry, by one decomposition (E, D)."""

    mapping = OrthogonalMapping
    uses_ridge = False

    @classmethod
    def size_problems(cls, source_dim: int, target_dim: int) -> list[Problem]:
        """It cannot map into fewer dimensions."""
        if source_dim <= target_dim:
            return []
        message = (
            f"has {target_dim} dimensions where z_source has {source_dim}; an isometry cannot map into fewer: "
            "exchange source and target, or use linear or affine"
        )
        return [Problem("z_target", message)]

    def _fit_pair(self, z_ND: Array, y_NE: Array, ridges: Sequence[float]) -> list[Mapping]:
        mean_D, mean_E = z_ND.mean(axis=0), y_NE.mean(axis=0)
        u_ED, _, vt_DD = np.linalg.svd((y_NE - mean_E).T @ (z_ND - mean_D), full_matrices=False)
        rotation_ED = u_ED @ vt_DD
        return [OrthogonalMapping.of(rotation_ED, mean_E - rotation_ED @ mean_D, mean_D) for _ in ridges]
