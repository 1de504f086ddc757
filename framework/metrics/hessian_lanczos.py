"""The largest eigenvalue and the density of eigenvalues of a symmetric matrix that is known by its products.

Lanczos' iteration makes of a matrix H (P, P) and a start q a tridiagonal T of as many rows as it has steps, with

    T = Θ diag(θ) Θᵀ,   |λ - θ_j| ≤ r_j = β |Θ_last,j|  for an eigenvalue λ of H                        [1]  (1)
    λ_max - θ_max ≤ r²_max / (θ_max - λ_next),  of which λ_next is estimated by the next θ              [1]
    density(λ) ≈ mean over starts q of Σ_j Θ_first,j² N(λ; θ_j, width²)                                 [2]  (2)

No basis is kept, so that memory does not grow with the steps. Rounding then lets eigenvalues that are found come
again; neither the largest of them nor (2), in which the copies share a weight, is changed by that [3].

[1] Parlett, "The symmetric eigenvalue problem", 1998, chapter 13.
[2] Ghorbani, Krishnan and Xiao, "An investigation into neural net optimization via Hessian eigenvalue
    density", 2019.
[3] Greenbaum, "Behavior of slightly perturbed Lanczos and conjugate-gradient recurrences", 1989.

Shapes: P rows of the matrix, J steps, G points of a grid.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from scipy import linalg  # type: ignore[import-untyped]
from torch import Tensor

Array = npt.NDArray[np.float64]
Product = Callable[[Tensor], Tensor]

# A step whose remainder is this small beside the matrix has met a space that the matrix maps into itself.
EXHAUSTED = 1e-6


@dataclass(frozen=True)
class TopEigenvalue:
    """The largest eigenvalue, how far it may be off by (1), and whether that is within the tolerance."""

    value: float
    error: float
    steps: int
    converged: bool

    def __float__(self) -> float:
        """The eigenvalue."""
        return self.value


@dataclass(frozen=True)
class Density:
    """Equation (2): of `eigenvalues` (J·draws) with `weights`, which sum to 1, on `grid` (G); integral 1."""

    grid: Array
    density: Array
    eigenvalues: Array
    weights: Array
    width: float

    @property
    def mean(self) -> float:
        """The mean eigenvalue: times P, an estimate of the trace."""
        return float(self.eigenvalues @ self.weights)


def tridiagonal(product: Product, start_P: Tensor) -> Iterator[tuple[list[float], list[float]]]:
    """After each step the diagonal of T, (J), and what follows each of its rows, (J); ends where nothing does."""
    alphas: list[float] = []
    betas: list[float] = []
    previous_P = torch.zeros_like(start_P)
    current_P = start_P / start_P.norm()
    beta, scale = 0.0, 0.0
    while True:
        following_P = product(current_P).sub_(previous_P, alpha=beta)
        alpha = float(following_P @ current_P)
        following_P.sub_(current_P, alpha=alpha)
        beta = float(following_P.norm())
        alphas.append(alpha)
        betas.append(beta)
        scale = max(scale, abs(alpha) + beta)
        yield alphas, betas
        if not beta > EXHAUSTED * scale:
            return
        previous_P, current_P = current_P, following_P.div_(beta)


def top_eigenvalue(product: Product, start_P: Tensor, steps: int, tolerance: float) -> TopEigenvalue:
    """The largest (not the largest in size) eigenvalue, when its error is below `tolerance` times its size."""
    found = TopEigenvalue(math.nan, math.nan, 0, False)
    for alphas, betas in islice(tridiagonal(product, start_P), steps):
        thetas, vectors = ritz(alphas, betas)
        largest = float(thetas[-1])
        residual = betas[-1] * abs(float(vectors[-1, -1]))
        gap = largest - float(thetas[-2]) if len(thetas) > 1 else 0.0
        error = min(residual, residual**2 / gap) if gap > 0 else residual
        found = TopEigenvalue(largest, error, len(alphas), error <= tolerance * abs(largest))
        if found.converged:
            break
    return found


def density(
    product: Product, starts: Iterator[Tensor], steps: int, bins: int, relative_width: float = 0.01
) -> Density:
    """Equation (2); the width is a share of the range of eigenvalues, around which the grid has three widths."""
    nodes, weights = [], []
    for start_P in starts:
        alphas, betas = [*islice(tridiagonal(product, start_P), steps)][-1]
        thetas, vectors = ritz(alphas, betas)
        nodes.append(thetas)
        weights.append(vectors[0] ** 2)
    eigenvalues, shares = np.concatenate(nodes), np.concatenate(weights) / len(nodes)
    spread = float(np.ptp(eigenvalues)) or abs(float(eigenvalues[0])) or 1.0
    width = relative_width * spread
    grid = np.linspace(eigenvalues.min() - 3 * width, eigenvalues.max() + 3 * width, bins)
    bells = np.exp(-0.5 * ((grid[:, None] - eigenvalues) / width) ** 2) / (width * math.sqrt(2 * math.pi))
    return Density(grid, bells @ shares, eigenvalues, shares, width)


def ritz(alphas: list[float], betas: list[float]) -> tuple[Array, Array]:
    """θ, the smallest first, and Θ."""
    thetas, vectors = linalg.eigh_tridiagonal(np.array(alphas), np.array(betas[:-1]))
    return thetas, vectors
