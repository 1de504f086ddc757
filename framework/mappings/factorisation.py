"""One set of source latents, factorised as ridge regression needs it (`ridge.py`), each part when it is needed.

Z = U diag(s) Vᵀ is decomposed itself only where it is nearly rank-deficient. Otherwise the smaller of its two Gram
matrices is, which takes a small part of the time:

    more samples than dimensions:   ZᵀZ = V diag(s²) Vᵀ,   Yᵀ U = (Yᵀ Z) V diag(1/s)          (4)
    otherwise:                      ZZᵀ = U diag(s²) Uᵀ,   Vᵀ = diag(1/s) Uᵀ Z                (5)

It squares the condition number: the relative error is about ε s_max² / s_min² [1, §5.3]. So (4) and (5) are used
where s_min² ≥ 10⁻⁷ s_max², which keeps the error near 10⁻⁸. For one or two λ nothing is decomposed at all: where a
Cholesky factor of the smaller Gram matrix is as well-conditioned,

    A = Yᵀ Z (ZᵀZ + λ I)⁻¹ = Yᵀ (ZZᵀ + λ I)⁻¹ Z                                               (6)

[1] Golub, Van Loan: Matrix Computations. Johns Hopkins University Press, 4th edition, 2013.

Shapes: N samples, D source dimensions, E target dimensions, K = min(N, D).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import linalg  # type: ignore[import-untyped]

from framework.mappings.latents import Array

WELL_CONDITIONED = 1e-7  # the least s_min² / s_max² for which a Gram matrix is used instead of Z


class Decomposition(NamedTuple):
    """Z = U diag(s) Vᵀ."""

    s: Array  # (K,)
    vt: Array  # (K, D)
    u: Array | None  # (N, K); None by (4), which does without


@dataclass(frozen=True)
class Factorisation:
    """Source latents, centred or not, with what all fits to them share."""

    z: Array  # (N, D), less the mean
    mean: Array  # (D,)
    centred: bool

    @property
    def num_samples(self) -> int:
        """N."""
        return len(self.z)

    @property
    def trace(self) -> float:
        """trace(ZᵀZ), the sum of the squared singular values."""
        return float(np.vdot(self.z, self.z))

    @cached_property
    def gram(self) -> Array:
        """ZᵀZ (D, D) of more samples than dimensions, else ZZᵀ (N, N)."""
        num_samples, dim = self.z.shape
        if num_samples > dim:
            return self.z.T @ self.z
        gram_NN = self.z @ self.z.T
        if self.centred:
            # Centred samples sum to zero, so one eigenvalue is zero, which would send every fit with N ≤ D to (2).
            # Its eigenvector, all ones, meets nothing: centred targets sum to zero too. Another value is harmless.
            gram_NN += np.trace(gram_NN) / num_samples**2
        return gram_NN

    @cached_property
    def decomposition(self) -> Decomposition:
        """By (4) or (5), or of Z itself where these lose too many digits."""
        squares_K, vectors = np.linalg.eigh(self.gram)
        if not _well_conditioned(squares_K):
            u_NK, s_K, vt_KD = np.linalg.svd(self.z, full_matrices=False)
            return Decomposition(s_K, vt_KD, u_NK)
        s_K = np.sqrt(squares_K)
        if len(self.z) > self.z.shape[1]:
            return Decomposition(s_K, vectors.T, None)
        return Decomposition(s_K, (vectors / s_K).T @ self.z, vectors)

    def onto_u(self, y_EN: Array) -> Array:
        """Yᵀ U, (E, K)."""
        s_K, vt_KD, u_NK = self.decomposition
        if u_NK is not None:
            return y_EN @ u_NK
        return (y_EN @ self.z) @ (vt_KD.T / s_K)

    def by_cholesky(self, y_EN: Array, ridge: float) -> Array | None:
        """A (E, D) by (6); None where that would lose too many digits."""
        dim = len(self.gram)
        shifted = self.gram + ridge * np.eye(dim)
        factor, failed = linalg.lapack.dpotrf(shifted, lower=1)
        if failed:
            return None
        rcond, _ = linalg.lapack.dpocon(factor, np.abs(shifted).sum(axis=0).max(), uplo="L")
        if rcond < WELL_CONDITIONED:
            return None
        many = self.num_samples > self.z.shape[1]
        right = y_EN @ self.z if many else y_EN
        solved, _ = linalg.lapack.dpotrs(factor, right.T, lower=1)
        weight_ED: Array = solved.T if many else solved.T @ self.z
        return weight_ED


def _well_conditioned(squares_K: Array) -> bool:
    return bool(squares_K[-1] > 0 and squares_K[0] >= WELL_CONDITIONED * squares_K[-1])
