"""The affine mapping: A, b = argmin Σ ||A z + b - y||² + λ ||A||_F² (equation 3 of `ridge.py`)."""

from collections.abc import Sequence

from framework.mappings.base import AffineMapping, Latents, Method
from framework.mappings.ridge import factorise, solve


class Affine(Method):
    """`Affine(ridge=0.1).fit(z_source, z_target)`: z → A z + b with a free, unpenalised bias."""

    mapping = AffineMapping

    @classmethod
    def fit_path(cls, z_source: Latents, z_target: Latents, ridges: Sequence[float]) -> list[AffineMapping]:
        """The mapping of each ridge from one factorisation of the centred source latents (N, D).

        Raises:
            InvalidInput: no samples, different numbers of them, NaN or infinite values, or a negative ridge.
        """
        weights_RED, biases_RE = solve(factorise(z_source, centre=True), z_target, ridges)
        return [AffineMapping.of(a, b) for a, b in zip(weights_RED, biases_RE, strict=True)]
