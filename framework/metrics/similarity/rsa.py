"""Representational similarity analysis: whether two arrays find the same samples unlike each other.

    d_ij = 1 - corr(x_i, x_j)   over the features, or another distance of two samples               [1]         (1)
    RSA = Spearman's ρ (or Pearson's r) of d_ij(X) and d_ij(Y) over the pairs i < j                             (2)

Both dissimilarity matrices are ranked (ties share their mean rank) and standardised once; the null, which shuffles
the samples of one matrix in rows and columns alike, is Mantel's test and a matter of indices.

[1] Kriegeskorte, Mur and Bandettini, "Representational similarity analysis: connecting the branches of systems
    neuroscience", 2008.

Shapes: N samples, D and E features, Q = N (N - 1) / 2 pairs.
"""

import math
from typing import Literal, get_args

import numpy as np
import torch
from scipy.spatial.distance import pdist, squareform  # type: ignore[import-untyped]
from scipy.stats import rankdata  # type: ignore[import-untyped]
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.metrics.metric import Metric
from framework.metrics.similarity.inputs import MOST_ROWS, SAME, Rows, two_arrays
from framework.metrics.similarity.null import Similarity, judged, shuffled

RSA = Metric(
    name="rsa",
    unit="none, a correlation in [-1, 1]",
    better="higher",
    reduction="one number for all pairs of images",
)

Distance = Literal["correlation", "euclidean", "cosine"]
Comparison = Literal["spearman", "pearson"]


def rsa(
    x: Rows,
    y: Rows,
    *,
    distance: Distance = "correlation",
    comparison: Comparison = "spearman",
    null: int = 200,
    seed: int = 0,
) -> Similarity:
    """Equation (2) of two arrays (N, …) with rows of the same samples, beside its permutation null.

    Args:
        x: Of the first.
        y: Of the second.
        distance: Of two samples: correlation (equation (1)), euclidean or cosine.
        comparison: Of two matrices: spearman or pearson.
        null: Permutations; 0 for none.
        seed: Of the permutations.

    Returns:
        The value in [-1, 1]; NaN where all distances are equal, or one is undefined: a sample whose features are
        all equal has no correlation, one of zeros no cosine; take euclidean then.

    Raises:
        InvalidInput: as `two_arrays`; fewer than 3 rows or more than 20,000, another distance or comparison.
    """
    named = (("distance", distance, Distance), ("comparison", comparison, Comparison))
    wrong = [
        Problem(name, f"is {given!r}; allowed: {', '.join(get_args(kinds))}")
        for name, given, kinds in named
        if given not in get_args(kinds)
    ]
    if wrong:
        raise InvalidInput(wrong, "rsa")
    arrays = two_arrays(x, y, fewest=3, most=MOST_ROWS, null=null)
    first_NN, second_NN = (_standardised(rows, distance, comparison) for rows in arrays)

    def statistic(order_N: Tensor | None) -> float:
        first = first_NN if order_N is None else shuffled(first_NN, order_N)
        found = float(first.flatten() @ second_NN.flatten()) / 2  # each pair is there twice
        return found if math.isnan(found) else max(-1.0, min(1.0, found))

    n = len(first_NN)
    return judged(RSA, statistic, best=1.0, n=n, null=null, seed=seed, device=first_NN.device)


def _standardised(rows_ND: Tensor, distance: Distance, comparison: Comparison) -> Tensor:
    """The dissimilarities (N, N), centred and of length 1 over the pairs; NaN where they are undefined."""
    with np.errstate(all="ignore"):  # a sample without variance
        pairs_Q = pdist(rows_ND.cpu().numpy(), distance)
    if np.ptp(pairs_Q) <= SAME * np.abs(pairs_Q).max():
        pairs_Q = np.full_like(pairs_Q, math.nan)
    if comparison == "spearman" and np.isfinite(pairs_Q).all():
        pairs_Q = rankdata(pairs_Q)
    pairs_Q = pairs_Q - pairs_Q.mean()
    return torch.from_numpy(squareform(pairs_Q / np.linalg.norm(pairs_Q), checks=False)).to(rows_ND.device)
