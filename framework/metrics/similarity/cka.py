"""Centred kernel alignment, without the bias that many features and few samples give it.

    CKA(K, L) = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))                                   [1, equation (4)]    (1)
    HSIC(K, L) ∝ tr(K̃ L̃) + 1ᵀK̃1 1ᵀL̃1 / ((n-1)(n-2)) - 2/(n-2) 1ᵀK̃ L̃1,   diag K̃ = 0         [2, equation (5)]    (2)
    HSIC(K, L) ∝ tr(K H L H),   H = I - 11ᵀ/n          the classical one, `debiased=False`  [1, equation (3)]   (3)

Independent Gaussians of 512 dimensions have (1) near 0.59 by (3) from 360 samples, and 0 on average by (2), which
may therefore be a little below 0. Of the linear kernel K = X Xᵀ with centred X, whose rows have squared lengths a,
and of Y with b likewise, (2) is

    ||XᵀY||² - n/(n-2) a·b + Σa Σb / ((n-1)(n-2))                                                               (4)

and (3) its first term, without any (N, N) matrix. Where these are smaller than (D, E) they are used, centred once
(U-centred for (2) [3]), so that (2) is the sum of an elementwise product and a permutation a matter of indices.

[1] Kornblith, Norouzi, Lee and Hinton, "Similarity of neural network representations revisited", 2019.
[2] Song, Smola, Gretton, Bedo and Borgwardt, "Feature selection via dependence maximization", 2012.
[3] Székely and Rizzo, "Partial distance correlation with methods for dissimilarities", 2014, definition 2.

Shapes: N samples, D and E features.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.metrics.metric import Metric
from framework.metrics.similarity.inputs import MOST_ROWS, Rows, centred, two_arrays, warn_of_few
from framework.metrics.similarity.null import Similarity, Statistic, judged, shuffled
from framework.values import is_number

CKA = Metric(
    name="cka",
    unit="none, at most 1, which latents have that are equal up to rotation, scale and shift; debiased, so that "
    "unrelated ones have 0 on average and may be below it",
    better="higher",
    reduction="one number for all images",
)

Kernel = Literal["linear", "rbf"]

FEWEST = 4  # rows: (2) divides by n - 3
VANISHING = 1e-12  # HSIC(K, K) beside tr(K²) below which nothing is left of it but rounding
LARGE = 4096  # rows: from here on memory decides


def cka(
    x: Rows,
    y: Rows,
    *,
    debiased: bool = True,
    kernel: Kernel = "linear",
    bandwidth: float = 1.0,
    null: int = 200,
    seed: int = 0,
) -> Similarity:
    """Equation (1) of two arrays (N, …) with rows of the same samples, beside its permutation null.

    Args:
        x: Of the first.
        y: Of the second.
        debiased: By (2); otherwise by (3).
        kernel: linear; or rbf, exp(-||x - x'||² / (2 σ²)), which sees more than linear relations.
        bandwidth: Of rbf, σ as a multiple of the median distance between two rows.
        null: Permutations; 0 for none.
        seed: Of the permutations.

    Returns:
        The value, at most 1; NaN where an array is constant, or all its rows are equally far from one another.

    Raises:
        InvalidInput: as `two_arrays`; fewer than 4 rows, or for rbf more than 20,000 or no positive bandwidth.
    """
    if kernel not in ("linear", "rbf"):
        raise InvalidInput([Problem("kernel", f"is {kernel!r}; allowed: linear, rbf")], "cka")
    if not (is_number(bandwidth) and bandwidth > 0):
        raise InvalidInput([Problem("bandwidth", f"is {bandwidth!r}; allowed: a positive number")], "cka")
    most = MOST_ROWS if kernel == "rbf" else None
    first, second = (centred(rows) for rows in two_arrays(x, y, fewest=FEWEST, most=most, null=null))
    n, widths = len(first), (first.shape[1], second.shape[1])
    if kernel == "rbf":
        statistic = of_kernels(_rbf(first, bandwidth), _rbf(second, bandwidth), debiased)
    else:
        warn_of_few("cka", n, max(widths))
        by_features = widths[0] * widths[1] <= max(16 * n, n**2 if n > LARGE else 0)
        # An index costs about as much as sixteen products.
        statistic = (
            of_features(first, second, debiased)
            if by_features
            else of_kernels(first @ first.t(), second @ second.t(), debiased)
        )
    return judged(CKA, statistic, best=1.0, n=n, null=null, seed=seed, device=first.device)


def of_features(x_ND: Tensor, y_NE: Tensor, debiased: bool) -> Statistic:
    """Equation (1) for the linear kernel of centred features, by (4)."""
    a_N, b_N = x_ND.square().sum(dim=1), y_NE.square().sum(dim=1)
    norms = [hsic(float((z.t() @ z).square().sum()), c, c, debiased) for z, c in ((x_ND, a_N), (y_NE, b_N))]

    def statistic(order_N: Tensor | None) -> float:
        x, a = (x_ND, a_N) if order_N is None else (x_ND[order_N], a_N[order_N])
        return ratio(hsic(float((x.t() @ y_NE).square().sum()), a, b_N, debiased), *norms)

    return statistic


def hsic(cross: float, a_N: Tensor, b_N: Tensor, debiased: bool) -> float:
    """Equation (4) of ||XᵀY||² and squared lengths; 0 where rounding is all that is left of HSIC(K, K)."""
    if not debiased:
        return cross
    n = len(a_N)
    found = cross - n / (n - 2) * float(a_N @ b_N) + float(a_N.sum() * b_N.sum()) / ((n - 1) * (n - 2))
    return 0.0 if a_N is b_N and found <= VANISHING * cross else found


def ratio(cross: float, of_x: float, of_y: float) -> float:
    """Equation (1); NaN where a norm is 0. Of norms first, so that nothing underflows."""
    return min(1.0, cross / (math.sqrt(of_x) * math.sqrt(of_y))) if of_x > 0 and of_y > 0 else math.nan


def of_kernels(first_NN: Tensor, second_NN: Tensor, debiased: bool) -> Statistic:
    """Equation (1) of two kernel matrices."""
    (k_NN, of_k), (l_NN, of_l) = (_centred_kernel(matrix_NN, debiased) for matrix_NN in (first_NN, second_NN))

    def statistic(order_N: Tensor | None) -> float:
        k = k_NN if order_N is None else shuffled(k_NN, order_N)
        return ratio(float(k.flatten() @ l_NN.flatten()), of_k, of_l)

    return statistic


def _centred_kernel(kernel_NN: Tensor, debiased: bool) -> tuple[Tensor, float]:
    """The matrix whose elementwise products sum to (2) or (3), and its own sum of squares."""
    n = len(kernel_NN)
    if debiased:
        kernel_NN = kernel_NN.clone().fill_diagonal_(0)
        sums_N = kernel_NN.sum(dim=1)
        centred_NN = kernel_NN - (sums_N[:, None] + sums_N) / (n - 2) + sums_N.sum() / ((n - 1) * (n - 2))
        centred_NN.fill_diagonal_(0)
    else:
        means_N = kernel_NN.mean(dim=1)
        centred_NN = kernel_NN - means_N[:, None] - means_N + means_N.mean()
    size = float(centred_NN.square().sum())
    return centred_NN, size if size > VANISHING * float(kernel_NN.square().sum()) else 0.0


def _rbf(x_ND: Tensor, bandwidth: float) -> Tensor:
    squared_NN = torch.cdist(x_ND, x_ND).square()
    above = torch.triu_indices(len(x_ND), len(x_ND), 1, device=x_ND.device)
    median = float(squared_NN[above[0], above[1]].median())
    # Of arrays of which more than half the pairs are equal, the mean of the others.
    scale = median if median > 0 else float(squared_NN.sum()) / max(1, int((squared_NN > 0).sum()))
    return torch.exp(-squared_NN / (2 * bandwidth**2 * scale)) if scale > 0 else torch.ones_like(squared_NN)
