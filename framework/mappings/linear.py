"""The linear mapping: A = argmin Σ ||A z - y||² + λ ||A||_F² (equation 1 of `ridge.py`).

Shapes: N samples, D source dimensions, E target dimensions, R ridges.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from framework.mappings.base import LinearMapping, Mapping, Method
from framework.mappings.latents import Array
from framework.mappings.ridge import factorise, relative_ridges, solve


@dataclass(frozen=True, kw_only=True)
class Linear(Method):
    """`Linear(ridge=0.1).fit(z_source, z_target)`: z → A z. `ridge` is λ, in units of squared latents summed.

    Options: `relative`, whether λ is in units of trace(ZᵀZ)/D instead. All ridges come from one factorisation of
    the source latents.
    """

    mapping = LinearMapping

    relative: bool = False

    def _fit_pair(self, z_ND: Array, y_NE: Array, ridges: Sequence[float]) -> list[Mapping]:
        source = factorise(z_ND, centre=False)
        ridges = relative_ridges(source, ridges) if self.relative else ridges
        weights_RED, biases_RE = solve(source, y_NE, ridges)
        return [LinearMapping.of(a_ED, b_E) for a_ED, b_E in zip(weights_RED, biases_RE, strict=True)]
