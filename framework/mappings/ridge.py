"""Ridge regression from one latent space into others, every regulariser from one factorisation.

For one set of N samples, with rows z_i of the source and y_i of the target, and λ ≥ 0,

    A = argmin_A  Σ_i ||A z_i - y_i||² + λ ||A||_F²        (1)  a sum over samples, the Frobenius norm

With the thin singular value decomposition Z = U diag(s) Vᵀ of the source,

    A = Yᵀ U diag(s / (s² + λ)) Vᵀ                          (2)

so that Z is factorised once for all λ and all targets [1, §3.4.1]. λ = 0 gives the least-squares solution of least
norm: singular values below ε max(N, D) s_max count as zero, as in `numpy.linalg.lstsq`. With a free bias,

    A, b = argmin  Σ_i ||A z_i + b - y_i||² + λ ||A||_F²   (3)  the bias is not penalised

is (1) for the centred samples, and b = mean(y) - A mean(z). All in float64.

[1] Hastie, Tibshirani, Friedman: The Elements of Statistical Learning. Springer, 2nd edition, 2009.

Shapes: N samples, D source dimensions, E target dimensions, K = min(N, D), R ridges.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from framework.errors import InvalidInput, Problem
from framework.mappings.base import Array, Latents, as_latents


@dataclass(frozen=True)
class Factorisation:
    """The thin singular value decomposition of one set of source latents, centred or not."""

    mean: Array  # (D,)
    u: Array  # (N, K)
    s: Array  # (K,)
    vt: Array  # (K, D)
    centred: bool

    @property
    def num_samples(self) -> int:
        """N."""
        return len(self.u)


def factorise(z_source: Latents, *, centre: bool) -> Factorisation:
    """Decompose source latents (N, D); with `centre`, around their mean, which frees the bias.

    Raises:
        InvalidInput: no samples, or NaN or infinite values.
    """
    z_ND = as_latents("z_source", z_source)
    mean_D = z_ND.mean(axis=0) if centre else np.zeros(z_ND.shape[1])
    u_NK, s_K, vt_KD = np.linalg.svd(z_ND - mean_D, full_matrices=False)
    return Factorisation(mean_D, u_NK, s_K, vt_KD, centre)


def solve(source: Factorisation, z_target: Latents, ridges: Sequence[float]) -> tuple[Array, Array]:
    """Equation (2) for each ridge: weights (R, E, D) and biases (R, E); these are 0 if not centred.

    Raises:
        InvalidInput: the target has another number of samples, or NaN or infinite values; a ridge is negative
            or not finite; or there is none.
    """
    y_NE = as_latents("z_target", z_target)
    if len(y_NE) != source.num_samples:
        message = f"has {len(y_NE)} samples where z_source has {source.num_samples}; they must be pairs"
        raise InvalidInput([Problem("z_target", message)])
    gains_RK = _gains(source, _checked(ridges))
    mean_E = y_NE.mean(axis=0) if source.centred else np.zeros(y_NE.shape[1])
    projected_EK = (y_NE - mean_E).T @ source.u
    weights_RED = (projected_EK * gains_RK[:, None, :]) @ source.vt
    biases_RE = mean_E - weights_RED @ source.mean
    return weights_RED, biases_RE


def solve_many(
    source: Factorisation, z_targets: Sequence[Latents], ridges: Sequence[float]
) -> list[tuple[Array, Array]]:
    """`solve` for several targets of the same samples in one product: a pair of arrays a target.

    Raises:
        InvalidInput: as `solve`.
    """
    targets = [as_latents("z_target", z_target) for z_target in z_targets]
    counts = {len(target) for target in targets}
    if len(counts) > 1:
        raise InvalidInput([Problem("z_target", f"targets have different numbers of samples: {sorted(counts)}")])
    if not targets:
        return []
    weights_RED, biases_RE = solve(source, np.concatenate(targets, axis=1), ridges)
    ends = np.cumsum([target.shape[1] for target in targets])[:-1]
    weights, biases = np.split(weights_RED, ends, axis=1), np.split(biases_RE, ends, axis=1)
    return list(zip(weights, biases, strict=True))


def _gains(source: Factorisation, ridges_R: Array) -> Array:
    """s / (s² + λ), (R, K); zero for the singular values that are rounding noise where λ = 0."""
    s_K = source.s
    cutoff = np.finfo(np.float64).eps * max(source.num_samples, len(source.mean)) * s_K.max()
    noise_RK = (ridges_R[:, None] == 0) & (s_K <= cutoff)
    below_RK = np.where(noise_RK, 1.0, s_K**2 + ridges_R[:, None])
    # A sample alone, centred, has s = 0 throughout: with λ > 0 that is 0 / λ.
    return np.where(noise_RK, 0.0, s_K / below_RK)


def _checked(ridges: Sequence[float]) -> Array:
    ridges_R = np.asarray(ridges, dtype=np.float64)
    if ridges_R.ndim != 1 or not len(ridges_R):
        raise InvalidInput([Problem("ridge", "no value is given; allowed: one or more numbers ≥ 0")])
    wrong = [float(ridge) for ridge in ridges_R if not (np.isfinite(ridge) and ridge >= 0)]
    if wrong:
        raise InvalidInput([Problem("ridge", f"is {wrong}; allowed: finite numbers ≥ 0")])
    return ridges_R
