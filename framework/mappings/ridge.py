"""Ridge regression from one latent space into others, every regulariser from one factorisation.

For one set of N samples, with rows z_i of the source and y_i of the target, and λ ≥ 0,

    A = argmin_A  Σ_i ||A z_i - y_i||² + λ ||A||_F²        (1)  a sum over samples, the Frobenius norm

With the thin singular value decomposition Z = U diag(s) Vᵀ of the source,

    A = Yᵀ U diag(s / (s² + λ)) Vᵀ                          (2)

so that Z is factorised once for all λ and all targets [1, §3.4.1]. λ = 0 gives the least-squares solution of least
norm: singular values below ε max(N, D) s_max count as zero, as in `numpy.linalg.lstsq`. With a free bias,

    A, b = argmin  Σ_i ||A z_i + b - y_i||² + λ ||A||_F²   (3)  the bias is not penalised

is (1) for the centred samples, and b = mean(y) - A mean(z). All in float64. `factorisation.py` decomposes Z, or
does without where few λ are asked for (equation 6).

[1] Hastie, Tibshirani, Friedman: The Elements of Statistical Learning. Springer, 2nd edition, 2009.

Shapes: N samples, D source dimensions, E target dimensions, K = min(N, D), R ridges.
"""

from collections.abc import Sequence

import numpy as np

from framework.errors import InvalidInput, Problem
from framework.mappings.factorisation import Factorisation
from framework.mappings.latents import Array, Latents, as_latents, ridge_problems

FEW = 2  # values of λ for which Cholesky factors take less time than one decomposition


def factorise(z_source: Latents, *, centre: bool) -> Factorisation:
    """Decompose source latents (N, D); with `centre`, around their mean, which frees the bias.

    Raises:
        InvalidInput: no samples, or NaN or infinite values.
    """
    z_ND = as_latents("z_source", z_source)
    mean_D = z_ND.mean(axis=0) if centre else np.zeros(z_ND.shape[1])
    return Factorisation(z_ND - mean_D, mean_D, centre)


def relative_ridges(source: Factorisation, ridges: Sequence[float]) -> list[float]:
    """λ in units of trace(ZᵀZ)/D, the mean eigenvalue: the same number means the same for latents of any scale."""
    unit = source.trace / source.z.shape[1]
    return [ridge * unit for ridge in ridges]


def solve(source: Factorisation, z_target: Latents, ridges: Sequence[float]) -> tuple[Array, Array]:
    """The solution for each ridge: weights (R, E, D) and biases (R, E); these are 0 if not centred.

    Raises:
        InvalidInput: the target has another number of samples, or NaN or infinite values; a ridge is negative
            or not finite; or there is none.
    """
    y_NE = as_latents("z_target", z_target)
    if len(y_NE) != source.num_samples:
        message = f"has {len(y_NE)} samples where z_source has {source.num_samples}; they must be pairs"
        raise InvalidInput([Problem("z_target", message)])
    problems = ridge_problems(ridges)
    if problems:
        raise InvalidInput(problems)
    mean_E = y_NE.mean(axis=0) if source.centred else np.zeros(y_NE.shape[1])
    y_EN = (y_NE - mean_E).T
    weights_RED = _few(source, y_EN, ridges) if len(ridges) <= FEW else None
    if weights_RED is None:
        gains_RK = _gains(source, np.asarray(ridges, dtype=np.float64)[:, None])
        weights_RED = (source.onto_u(y_EN) * gains_RK[:, None, :]) @ source.decomposition.vt
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


def _few(source: Factorisation, y_EN: Array, ridges: Sequence[float]) -> Array | None:
    """All of them by (6), (R, E, D), or none: where one needs the decomposition, the others have it already."""
    found = []
    for ridge in sorted(ridges):
        weight_ED = source.by_cholesky(y_EN, ridge)
        if weight_ED is None:
            return None
        found.append(weight_ED)
    by_ridge = dict(zip(sorted(ridges), found, strict=True))
    return np.stack([by_ridge[ridge] for ridge in ridges])


def _gains(source: Factorisation, ridges_R1: Array) -> Array:
    """s / (s² + λ), (R, K); zero for the singular values that are rounding noise where λ = 0."""
    s_K = source.decomposition.s
    cutoff = np.finfo(np.float64).eps * max(source.z.shape) * s_K.max()
    noise_RK = (ridges_R1 == 0) & (s_K <= cutoff)
    below_RK = np.where(noise_RK, 1.0, s_K**2 + ridges_R1)
    # A sample alone, centred, has s = 0 throughout: with λ > 0 that is 0 / λ.
    return np.where(noise_RK, 0.0, s_K / below_RK)
