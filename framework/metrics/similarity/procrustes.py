"""The Procrustes distance: what is left between two arrays when one is turned onto the other.

    X, Y centred and of Frobenius norm 1; the narrower padded with zero features
    d(X, Y) = min over RᵀR = I of ||X - Y R|| = sqrt(2 - 2 ||XᵀY||_*)                 [1, 2]                    (1)

||·||_* is the sum of the singular values, which zero features do not change: padding is never carried out. d is a
metric, 0 for arrays that are equal up to rotation, reflection, scale and shift, at most √2.

[1] Ding, Denain and Steinhardt, "Grounding representation similarity with statistical testing", 2021, has d² for
    arrays so normalised.
[2] Williams, Kunz, Kornblith and Linderman, "Generalized shape metrics on neural representations", 2021.

Shapes: N samples, D and E features, R and S directions.
"""

import math
from typing import Any

import torch
from torch import Tensor

from framework.metrics.metric import Metric
from framework.metrics.similarity.directions import directions
from framework.metrics.similarity.inputs import Rows, centred, two_arrays, warn_of_few
from framework.metrics.similarity.null import Similarity, judged

PROCRUSTES = Metric(
    name="procrustes",
    unit="none, a distance in [0, √2], 0 for latents that are equal up to rotation, scale and shift",
    better="lower",
    reduction="one number for all images",
)

ACCURACY = 1e-7  # of a distance near 0: the root of what rounding leaves of (1)


def procrustes(x: Rows, y: Rows, *, null: int = 200, seed: int = 0) -> Similarity:
    """Equation (1) of two arrays (N, …) with rows of the same samples, beside its permutation null.

    Args:
        x: Of the first.
        y: Of the second.
        null: Permutations; 0 for none.
        seed: Of the permutations.

    Returns:
        The distance in [0, √2], to about 1e-7; NaN where an array is constant.

    Raises:
        InvalidInput: as `two_arrays`; fewer than 3 rows.
    """
    first, second = (_coordinates(centred(rows)) for rows in two_arrays(x, y, fewest=3, null=null))
    n = len(first)
    warn_of_few("procrustes", n, max(first.shape[1], second.shape[1]))

    def statistic(order_N: Tensor | None) -> float:
        if not (first.shape[1] and second.shape[1]):
            return math.nan
        turned = first if order_N is None else first[order_N]
        shared = float(torch.linalg.svdvals(turned.t() @ second).sum())
        return math.sqrt(max(0.0, 2 - 2 * shared))

    given: dict[str, Any] = {"n": n, "null": null, "seed": seed, "device": first.device}
    return judged(PROCRUSTES, statistic, best=0.0, rounding=ACCURACY, **given)


def _coordinates(centred_ND: Tensor) -> Tensor:
    """The rows in their principal components (N, R), which a rotation does not change, of norm 1 together."""
    found = directions(centred_ND)
    rows_NR = found.basis * found.sizes
    return rows_NR / rows_NR.norm() if len(found.sizes) else rows_NR
