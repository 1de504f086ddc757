"""Ridge regression from one latent space into others, every regulariser from one factorisation.

For one set of N samples, with rows z_i of the source and y_i of the target, and λ ≥ 0,

    A = argmin_A  Σ_i ||A z_i - y_i||² + λ ||A||_F²        (1)  a sum over samples, the Frobenius norm

With the thin singular value decomposition Z = U diag(s) Vᵀ of the source,

    A = Yᵀ U diag(s / (s² + λ)) Vᵀ                          (2)

so that Z is factorised once for all λ and all targets [1, §3.4.1]. λ = 0 gives the least-squares solution of least
norm: singular values below ε max(N, D) s_max count as zero, as in `numpy.linalg.lstsq`. With a free bias,

    A, b = argmin  Σ_i ||A z_i + b - y_i||² + λ ||A||_F²   (3)  the bias is not penalised

is (1) for the centred samples, and b = mean(y) - A mean(z). All in float64.

Z itself is decomposed only where it is nearly rank-deficient. Otherwise the smaller of its two Gram matrices is,
which takes a small part of the time:

    more samples than dimensions:   ZᵀZ = V diag(s²) Vᵀ,   Yᵀ U = (Yᵀ Z) V diag(1/s)          (4)
    otherwise:                      ZZᵀ = U diag(s²) Uᵀ,   Vᵀ = diag(1/s) Uᵀ Z                (5)

It squares the condition number: the relative error is about ε s_max² / s_min² [2, §5.3]. So (4) and (5) are used
where s_min² ≥ 10⁻⁷ s_max², which keeps the error near 10⁻⁸.

[1] Hastie, Tibshirani, Friedman: The Elements of Statistical Learning. Springer, 2nd edition, 2009.
[2] Golub, Van Loan: Matrix Computations. Johns Hopkins University Press, 4th edition, 2013.

Shapes: N samples, D source dimensions, E target dimensions, K = min(N, D), R ridges.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from framework.errors import InvalidInput, Problem
from framework.mappings.latents import Array, Latents, as_latents, ridge_problems

WELL_CONDITIONED = 1e-7  # the least s_min² / s_max² for which a Gram matrix is decomposed instead of Z


@dataclass(frozen=True)
class Factorisation:
    """The thin singular value decomposition of one set of source latents, centred or not."""

    z: Array  # (N, D), less the mean
    mean: Array  # (D,)
    centred: bool
    s: Array  # (K,)
    vt: Array  # (K, D)
    u: Array | None  # (N, K); None by (4), which does without

    @property
    def num_samples(self) -> int:
        """N."""
        return len(self.z)

    @property
    def trace(self) -> float:
        """trace(ZᵀZ), the sum of the squared singular values."""
        return float(np.square(self.s).sum())

    def onto_u(self, y_EN: Array) -> Array:
        """Yᵀ U, (E, K)."""
        if self.u is not None:
            return y_EN @ self.u
        return (y_EN @ self.z) @ (self.vt.T / self.s)


def factorise(z_source: Latents, *, centre: bool) -> Factorisation:
    """Decompose source latents (N, D); with `centre`, around their mean, which frees the bias.

    Raises:
        InvalidInput: no samples, or NaN or infinite values.
    """
    z_ND = as_latents("z_source", z_source)
    mean_D = z_ND.mean(axis=0) if centre else np.zeros(z_ND.shape[1])
    z_ND = z_ND - mean_D
    num_samples, dim = z_ND.shape
    if num_samples > dim:
        squares_K, v_DK = np.linalg.eigh(z_ND.T @ z_ND)
        if _well_conditioned(squares_K):
            return Factorisation(z_ND, mean_D, centre, np.sqrt(squares_K), v_DK.T, None)
    else:
        gram_NN = z_ND @ z_ND.T
        if centre:
            # Centred samples sum to zero, so one eigenvalue is zero, which would send every fit with N ≤ D to (2).
            # Its eigenvector, all ones, meets nothing: centred targets sum to zero too. Another value is harmless.
            gram_NN += np.trace(gram_NN) / num_samples**2
        squares_K, u_NK = np.linalg.eigh(gram_NN)
        if _well_conditioned(squares_K):
            s_K = np.sqrt(squares_K)
            return Factorisation(z_ND, mean_D, centre, s_K, (u_NK / s_K).T @ z_ND, u_NK)
    u_NK, s_K, vt_KD = np.linalg.svd(z_ND, full_matrices=False)
    return Factorisation(z_ND, mean_D, centre, s_K, vt_KD, u_NK)


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
    gains_RK = _gains(source, np.asarray(ridges, dtype=np.float64)[:, None])
    projected_EK = source.onto_u((y_NE - mean_E).T)
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


def _well_conditioned(squares_K: Array) -> bool:
    return bool(squares_K[-1] > 0 and squares_K[0] >= WELL_CONDITIONED * squares_K[-1])


def _gains(source: Factorisation, ridges_R1: Array) -> Array:
    """s / (s² + λ), (R, K); zero for the singular values that are rounding noise where λ = 0."""
    s_K = source.s
    cutoff = np.finfo(np.float64).eps * max(source.z.shape) * s_K.max()
    noise_RK = (ridges_R1 == 0) & (s_K <= cutoff)
    below_RK = np.where(noise_RK, 1.0, s_K**2 + ridges_R1)
    # A sample alone, centred, has s = 0 throughout: with λ > 0 that is 0 / λ.
    return np.where(noise_RK, 0.0, s_K / below_RK)
