"""Projection weighted canonical correlation: correlations count by how much of the first array they account for.

    Uxᵀ Uy = A diag(ρ) Bᵀ,   h_i = Ux a_i                                                                       (1)
    PWCCA = Σ_i α_i ρ_i / Σ_i α_i,   α_i = Σ_j |<h_i, x_j>|   x_j the features of X           [1, section 3]    (2)

X = Ux Sx Vxᵀ with all its directions, so that h_iᵀ X = a_iᵀ Sx Vxᵀ, which no order of the rows changes. The
weights are those of the first array: PWCCA(x, y) is not PWCCA(y, x).

[1] Morcos, Raghu and Bengio, "Insights on representational similarity in neural networks with canonical
    correlation", 2018.

Shapes: N samples, D and E features, R and S directions.
"""

import math

import torch
from torch import Tensor

from framework.metrics.metric import Metric
from framework.metrics.similarity.directions import directions
from framework.metrics.similarity.inputs import Rows, centred, two_arrays, warn_of_few
from framework.metrics.similarity.null import Similarity, judged

PWCCA = Metric(
    name="pwcca",
    unit="none, in [0, 1], 1 where the first array is a linear map of the second",
    better="higher",
    reduction="mean over pairs of directions, weighted by the features of the first array",
)


def pwcca(x: Rows, y: Rows, *, null: int = 200, seed: int = 0) -> Similarity:
    """Equation (2) of two arrays (N, …) with rows of the same samples, beside its permutation null.

    Args:
        x: Of the first, whose features weigh.
        y: Of the second.
        null: Permutations; 0 for none.
        seed: Of the permutations.

    Returns:
        The value in [0, 1]; NaN where an array is constant.

    Raises:
        InvalidInput: as `two_arrays`; fewer than 3 rows.
    """
    first, second = (directions(centred(rows)) for rows in two_arrays(x, y, fewest=3, null=null))
    n = len(first.basis)
    warn_of_few("pwcca", n, max(len(first.sizes), len(second.sizes)))
    features_RD = first.sizes[:, None] * first.axes

    def statistic(order_N: Tensor | None) -> float:
        if not (len(first.sizes) and len(second.sizes)):
            return math.nan
        basis_NR = first.basis if order_N is None else first.basis[order_N]
        turned_RC, correlations_C, _ = torch.linalg.svd(basis_NR.t() @ second.basis, full_matrices=False)
        weights_C = (turned_RC.t() @ features_RD).abs().sum(dim=1)
        return float(weights_C @ correlations_C.clamp(max=1) / weights_C.sum())

    return judged(PWCCA, statistic, best=1.0, n=n, null=null, seed=seed, device=first.basis.device)
