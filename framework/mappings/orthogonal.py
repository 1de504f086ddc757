"""The orthogonal mapping (Procrustes): rotation, reflection and translation, and where it is asked for a scale.

For samples z_i, y_i with means m1 and m2, in matrices X (N, D) and Y (N, E) of centred rows,

    R = argmin ||X Rᵀ - Y||²  subject to  RᵀR = I,   R = U Vᵀ,   U diag(s) Vᵀ = Yᵀ X  (thin)     [1, 2]         (1)
    none          T(z) = R (z - m1) + m2                                                                        (2)
    isotropic     T(z) = c R (z - m1) + m2,   c = Σ s / ||X Rᵀ||² = argmin ||c X Rᵀ - Y||²       [2]            (3)
    standardised  T(z) = S2 R S1⁻¹ (z - m1) + m2,   S: standard deviation of each dimension,     [3]            (4)
                  and R as in (1) of X S1⁻¹ and Y S2⁻¹

With seeds of one architecture (2) is nearly all there is; between architectures the scale is what is missing. (4)
also bears dimensions of different units, at the price of taking those that hardly vary for as important as the
others; one that is constant is left out on both sides.

The smaller space is padded with zeros [3]: into more dimensions R is an isometric embedding. Into fewer, R has
R Rᵀ = I, and what it turns into the padding is dropped: no isometry, and a note says so. There ||X Rᵀ|| in (3) is
of what is left. Where the samples leave R open (fewer than D of them, say) the decomposition picks a solution.

[1] Schönemann: A generalized solution of the orthogonal Procrustes problem. Psychometrika 31(1), 1966.
[2] Gower, Dijksterhuis: Procrustes Problems. Oxford University Press, 2004.
[3] Maiorca, Moschella, Norelli, Fumero, Locatello, Rodolà: Latent space translation via semantic alignment.
    NeurIPS, 2023.

Shapes: N samples, D source dimensions, E target dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from framework.errors import Problem
from framework.mappings.base import AffineMapping, Mapping, Method
from framework.mappings.latents import SAME, Array

Scaling = Literal["none", "isotropic", "standardised"]


class OrthogonalMapping(AffineMapping):
    """z → A (z - m1) + m2, with A (E, D): R of (2), c R of (3) or S2 R S1⁻¹ of (4)."""

    kind = "orthogonal"


@dataclass(frozen=True, kw_only=True)
class Orthogonal(Method):
    """`Orthogonal(scaling="isotropic").fit(z_source, z_target)`: by one decomposition (E, D); λ has no meaning."""

    mapping = OrthogonalMapping
    uses_ridge = False

    scaling: Scaling = "none"

    @classmethod
    def notes(cls, source_dim: int, target_dim: int) -> list[str]:
        """Into fewer dimensions it is no isometry."""
        if source_dim <= target_dim:
            return []
        message = (
            f"orthogonal, {source_dim} → {target_dim} dimensions: no isometry maps into fewer; the target was "
            "padded with zeros, and what the rotation carries there is dropped"
        )
        return [message]

    def _fit_pair(self, z_ND: Array, y_NE: Array, ridges: Sequence[float]) -> list[Mapping]:
        mean_D, mean_E = z_ND.mean(axis=0), y_NE.mean(axis=0)
        x_ND, t_NE = z_ND - mean_D, y_NE - mean_E
        weight_ED = {"none": _rotation, "isotropic": _scaled, "standardised": _standardised}[self.scaling](
            x_ND, t_NE
        )
        return [OrthogonalMapping.of(weight_ED, mean_E - weight_ED @ mean_D, mean_D) for _ in ridges]

    def _option_problems(self) -> list[Problem]:
        if self.scaling in get_args(Scaling):
            return []
        return [Problem("scaling", f"is {self.scaling!r}; allowed: {', '.join(get_args(Scaling))}")]


def _rotation(x_ND: Array, y_NE: Array) -> Array:
    """Equation (1)."""
    u_EK, _, vt_KD = np.linalg.svd(y_NE.T @ x_ND, full_matrices=False)
    rotation_ED: Array = u_EK @ vt_KD
    return rotation_ED


def _scaled(x_ND: Array, y_NE: Array) -> Array:
    """c R of equation (3); R where the source does not vary."""
    rotation_ED = _rotation(x_ND, y_NE)
    turned_NE = x_ND @ rotation_ED.T
    length = float((turned_NE**2).sum())
    return rotation_ED * (float((turned_NE * y_NE).sum()) / length) if length > 0 else rotation_ED


def _standardised(x_ND: Array, y_NE: Array) -> Array:
    """S2 R S1⁻¹ of equation (4)."""
    std_D, std_E = _deviations(x_ND), _deviations(y_NE)
    rotation_ED = _rotation(_divided(x_ND, std_D), _divided(y_NE, std_E))
    weight_ED: Array = std_E[:, None] * _divided(rotation_ED, std_D)
    return weight_ED


def _deviations(centred_ND: Array) -> Array:
    """The standard deviation of each dimension, (D,); 0 of one that is rounding beside the largest."""
    std_D: Array = np.sqrt((centred_ND**2).mean(axis=0))
    return np.where(std_D > SAME * std_D.max(), std_D, 0.0)


def _divided(rows_ND: Array, std_D: Array) -> Array:
    """Each column by its deviation; 0 of one that has none."""
    return np.divide(rows_ND, std_D, out=np.zeros_like(rows_ND), where=std_D > 0)
