"""Singular vector canonical correlation analysis: the mean correlation of the directions that vary.

    X ≈ Ux Sx Vxᵀ   with the fewest directions that hold 99 % of the variance, and Y likewise                   (1)
    SVCCA = mean_i ρ_i,   ρ = singular values of Uxᵀ Uy                                  [1, section 2]         (2)

The mean is over as many pairs as the array with the fewer directions has. Unrelated arrays have ρ above 0 where
directions are many beside the samples; the null tells how far.

[1] Raghu, Gilmer, Yosinski and Sohl-Dickstein, "SVCCA: singular vector canonical correlation analysis for deep
    learning dynamics and interpretability", 2017.

Shapes: N samples, D and E features, R and S directions.
"""

import math

import torch
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.metrics.metric import Metric
from framework.metrics.similarity.directions import Directions, cosines, directions
from framework.metrics.similarity.inputs import Rows, centred, two_arrays, warn_of_few
from framework.metrics.similarity.null import Similarity, judged
from framework.values import is_number

SVCCA = Metric(
    name="svcca",
    unit="none, in [0, 1], 1 where the directions that vary span the same space",
    better="higher",
    reduction="mean over pairs of directions of their correlation over images",
)


def svcca(x: Rows, y: Rows, *, variance: float = 0.99, null: int = 200, seed: int = 0) -> Similarity:
    """Equation (2) of two arrays (N, …) with rows of the same samples, beside its permutation null.

    Args:
        x: Of the first.
        y: Of the second.
        variance: The share of each array's variance that is kept, in (0, 1].
        null: Permutations; 0 for none.
        seed: Of the permutations.

    Returns:
        The value in [0, 1]; NaN where an array is constant.

    Raises:
        InvalidInput: as `two_arrays`; fewer than 3 rows, or a share outside (0, 1].
    """
    if not (is_number(variance) and 0 < variance <= 1):
        raise InvalidInput([Problem("variance", f"is {variance!r}; allowed: a share in (0, 1]")], "svcca")
    arrays = two_arrays(x, y, fewest=3, null=null)
    first, second = (_kept(directions(centred(rows)), variance).basis for rows in arrays)
    n = len(first)
    warn_of_few("svcca", n, max(first.shape[1], second.shape[1]))

    def statistic(order_N: Tensor | None) -> float:
        found_R = cosines(first, second, order_N)
        return float(found_R.mean()) if len(found_R) else math.nan

    return judged(SVCCA, statistic, best=1.0, n=n, null=null, seed=seed, device=first.device)


def _kept(found: Directions, variance: float) -> Directions:
    """The fewest of the largest directions that hold this share of the variance, but for rounding."""
    if not len(found.sizes):
        return found
    shares_R = found.sizes.square().cumsum(0) / found.sizes.square().sum()
    return found.first(int(torch.searchsorted(shares_R, variance - 1e-12)) + 1)
