"""The linear mapping: A = argmin Σ ||A z - y||² + λ ||A||_F² (equation 1 of `ridge.py`)."""

from collections.abc import Sequence

from framework.mappings.base import Latents, LinearMapping, Method
from framework.mappings.ridge import factorise, solve


class Linear(Method):
    """`Linear(ridge=0.1).fit(z_source, z_target)`: z → A z. `ridge` is λ, in units of squared latents summed."""

    mapping = LinearMapping

    @classmethod
    def fit_path(cls, z_source: Latents, z_target: Latents, ridges: Sequence[float]) -> list[LinearMapping]:
        """The mapping of each ridge from one factorisation of the source latents (N, D).

        Raises:
            InvalidInput: no samples, different numbers of them, NaN or infinite values, or a negative ridge.
        """
        weights_RED, biases_RE = solve(factorise(z_source, centre=False), z_target, ridges)
        return [LinearMapping.of(a, b) for a, b in zip(weights_RED, biases_RE, strict=True)]
