"""The affine mapping: A, b = argmin Σ ||A z + b - y||² + λ ||A||_F² (equation 3 of `ridge.py`).

Shapes: N samples, D source dimensions, E target dimensions, R ridges.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from framework.mappings.base import AffineMapping, Mapping, Method
from framework.mappings.latents import Array
from framework.mappings.ridge import factorise, relative_ridges, solve


@dataclass(frozen=True, kw_only=True)
class Affine(Method):
    """`Affine(ridge=0.1).fit(z_source, z_target)`: z → A z + b with a free, unpenalised bias.

    Options: `relative`, whether λ is in units of trace(ZᵀZ)/D of the centred latents. All ridges come from one
    factorisation of these.
    """

    mapping = AffineMapping

    relative: bool = False

    def _fit_pair(self, z_ND: Array, y_NE: Array, ridges: Sequence[float]) -> list[Mapping]:
        source = factorise(z_ND, centre=True)
        ridges = relative_ridges(source, ridges) if self.relative else ridges
        solutions = zip(*solve(source, y_NE, ridges), strict=True)
        return [AffineMapping.of(a_ED, b_E, source.mean) for a_ED, b_E in solutions]
