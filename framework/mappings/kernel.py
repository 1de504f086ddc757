"""Kernel ridge regression with a Gaussian kernel, penalised by its coefficients.

With the samples as centres c_j, K_ij = exp(-γ ||c_i - c_j||²) (N, N) and targets Y (N, E),

    a = argmin  ||K a - Y||_F² + λ ||a||_F²                                              (1)

and the mapping is z → Σ_j exp(-γ ||z - c_j||²) a_j, on new points as well. The penalty is on the coefficients,
not on the norm tr(aᵀ K a) of the reproducing kernel Hilbert space that `sklearn.kernel_ridge` penalises [1,
§5.8.2]: the same λ means something else there. K = V diag(k) Vᵀ is decomposed once for all λ,

    a = V diag(k / (k² + λ)) Vᵀ Y                                                       (2)

At λ = 0 it interpolates; eigenvalues below ε N k_max count as zero there. Targets are not centred: far from all
centres the mapping is 0.

Sums run in double precision, and centres and γ are rounded to single precision before the fit, as they are kept.
The coefficients are rounded after it, which matters only at λ = 0 in very few dimensions: with 500 samples of 2
dimensions they reach 10⁵, and rounding moves the mapping by up to 10⁻²; with 8 dimensions by 10⁻⁶.

[1] Hastie, Tibshirani, Friedman: The Elements of Statistical Learning. Springer, 2nd edition, 2009.

Shapes: N samples (centres), M new points, D source dimensions, E target dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from framework.errors import ArtifactError, Problem
from framework.mappings.base import Mapping, Method, Numbers
from framework.mappings.latents import Array
from framework.mappings.offsets import in_two, less
from framework.values import is_number


class KernelMapping(Mapping):
    """z → Σ_j exp(-γ ||z - c_j||²) a_j, with centres (N, D) about their mean, coefficients (N, E) and γ."""

    kind = "kernel"
    centres: Tensor
    origin: Tensor
    coefficients: Tensor
    gamma: Tensor

    def __init__(self, source_dim: int, target_dim: int, num_centres: int = 0) -> None:
        super().__init__(source_dim, target_dim)
        self.register_buffer("centres", torch.zeros(num_centres, source_dim))
        self.register_buffer("origin", torch.zeros(2, source_dim))
        self.register_buffer("coefficients", torch.zeros(num_centres, target_dim))
        self.register_buffer("gamma", torch.ones(()))

    @classmethod
    def from_numbers(cls, numbers: Numbers, source_dim: int, target_dim: int) -> Self:
        """The mapping with these saved numbers; `centres` tells how many centres there are.

        Raises:
            ArtifactError: the numbers are not those of such a mapping.
        """
        if "centres" not in numbers:
            raise ArtifactError(f"not the numbers of the mapping {cls.kind!r}: centres is missing")
        return cls(source_dim, target_dim, len(numbers["centres"])).filled(numbers)

    def forward(self, z_source_MD: Tensor) -> Tensor:
        """The image of new points (M, D), (M, E)."""
        # Apple's GPUs have no double precision.
        exact = torch.float32 if z_source_MD.device.type == "mps" else torch.float64
        centred_MD = less(z_source_MD.to(exact), self.origin)
        distances_MN = torch.cdist(centred_MD, self.centres.to(exact))
        kernel_MN = torch.exp(-self.gamma.to(exact) * distances_MN.square())
        return (kernel_MN @ self.coefficients.to(exact)).to(z_source_MD.dtype)


@dataclass(frozen=True, kw_only=True)
class Kernel(Method):
    """`Kernel(ridge=0.1).fit(z_source, z_target)`. `ridge` is λ of (1), in units of squared kernel values.

    Options: `gamma`, in 1 / squared latents; None takes 1 / (D · variance of all source latents of the fit),
    which is scikit-learn's "scale". All ridges come from one decomposition.
    """

    mapping = KernelMapping

    gamma: float | None = None

    def _option_problems(self) -> list[Problem]:
        if self.gamma is None or (is_number(self.gamma) and self.gamma > 0):
            return []
        return [Problem("gamma", f"is {self.gamma!r}; allowed: a finite number above 0, or none")]

    def _fit_pair(self, z_ND: Array, y_NE: Array, ridges: Sequence[float]) -> list[Mapping]:
        origin_D = z_ND.mean(axis=0)
        centres_ND = torch.from_numpy(z_ND - origin_D).float()
        # A sample alone in one dimension has no variance, and any γ will do.
        gamma = self.gamma if self.gamma is not None else 1 / (z_ND.shape[1] * (z_ND.var() or 1.0))
        exact_ND = centres_ND.double()
        kernel_NN = torch.exp(-float(np.float32(gamma)) * torch.cdist(exact_ND, exact_ND).square()).numpy()
        k_N, v_NN = np.linalg.eigh(kernel_NN)
        projected_NE = v_NN.T @ y_NE
        mappings: list[Mapping] = []
        for ridge in ridges:
            mapping = KernelMapping(z_ND.shape[1], y_NE.shape[1], len(z_ND))
            mapping.centres.copy_(centres_ND)
            mapping.origin.copy_(in_two(origin_D))
            mapping.coefficients.copy_(torch.from_numpy(v_NN @ (_gains(k_N, ridge)[:, None] * projected_NE)))
            mapping.gamma.fill_(gamma)
            mappings.append(mapping)
        return mappings


def _gains(k_N: Array, ridge: float) -> Array:
    """k / (k² + λ), (N,); zero for the eigenvalues that are rounding noise where λ = 0."""
    noise_N = (ridge == 0) & (np.abs(k_N) <= np.finfo(np.float64).eps * len(k_N) * k_N[-1])
    return np.where(noise_N, 0.0, k_N / np.where(noise_N, 1.0, k_N**2 + ridge))
