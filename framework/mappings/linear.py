"""The linear mapping: A = argmin Σ ||A z - y||² + λ ||A||_F² (equation 1 of `ridge.py`).

Shapes: N samples, D source dimensions, E target dimensions, R ridges.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from framework.mappings.base import LinearMapping, Mapping, Method
from framework.mappings.latents import Array
from framework.mappings.ridge import factorise, solve


@dataclass(frozen=True, kw_only=True)
class Linear(Method):
    """`Linear(ridge=0.1).fit(z_source, z_target)`: z → A z. `ridge` is λ, in units of squared latents summed.

    All ridges come from one factorisation of the source latents.
    """

    mapping = LinearMapping

    def _fit_pair(self, z_ND: Array, y_NE: Array, ridges: Sequence[float]) -> list[Mapping]:
        weights_RED, biases_RE = solve(factorise(z_ND, centre=False), y_NE, ridges)
        return [LinearMapping.of(a_ED, b_E) for a_ED, b_E in zip(weights_RED, biases_RE, strict=True)]
