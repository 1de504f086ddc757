"""Mutual nearest neighbours: how many of a sample's neighbours in one array are its neighbours in the other.

    mutual kNN = mean_i |N_k(x_i) ∩ N_k(y_i)| / k                                        [1, appendix A]       (1)

N_k are the k samples with the largest cosine, or the least Euclidean distance. Unrelated arrays have k / (n-1) on
average. Of neighbours that are equally near, which there are where rows are repeated, a random one is taken in
either array for itself: their place in the array is nothing that the two share.

[1] Huh, Cheung, Wang and Isola, "The platonic representation hypothesis", 2024.

Shapes: N samples, D and E features, K neighbours, B rows at a time.
"""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.metrics.metric import Metric
from framework.metrics.perturbation import generator
from framework.metrics.similarity.inputs import Rows, two_arrays
from framework.metrics.similarity.null import Similarity, judged
from framework.values import is_number

MUTUAL_KNN = Metric(
    name="mutual_knn",
    unit="share of neighbours, in [0, 1]",
    better="higher",
    reduction="mean over images",
)

Distance = Literal["cosine", "euclidean"]

STREAM = 8  # of the random numbers: no other measure may draw the same
AT_ONCE = 2**24  # pairs of rows whose distances are held


def mutual_knn(
    x: Rows, y: Rows, *, k: int = 10, distance: Distance = "cosine", null: int = 200, seed: int = 0
) -> Similarity:
    """Equation (1) of two arrays (N, …) with rows of the same samples, beside its permutation null.

    Args:
        x: Of the first.
        y: Of the second.
        k: Neighbours of each sample, fewer than there are others.
        distance: By which they are near: cosine or euclidean.
        null: Permutations; 0 for none.
        seed: Of the permutations, and of the choice between neighbours that are equally near.

    Returns:
        The value in [0, 1]; of a constant array what chance gives, k / (n-1) on average.

    Raises:
        InvalidInput: as `two_arrays`; fewer than 3 rows, k not from 1 to the rows less two, or another distance.
    """
    first, second = two_arrays(x, y, fewest=3, null=null)
    n, wrong = len(first), []
    if not (is_number(k, whole=True) and 1 <= k <= n - 2):
        wrong.append(
            Problem("k", f"is {k!r}; allowed: 1 to {n - 2}, fewer than each of {n} samples has beside it")
        )
    if distance not in get_args(Distance):
        wrong.append(Problem("distance", f"is {distance!r}; allowed: {', '.join(get_args(Distance))}"))
    if wrong:
        raise InvalidInput(wrong, "mutual_knn")
    of_x_NK, of_y_NK = (neighbours(rows, k, distance, seed, side) for side, rows in enumerate((first, second)))

    def statistic(order_N: Tensor | None) -> float:
        found_NK = of_x_NK
        if order_N is not None:  # row i is sample order[i], and sample j stands in row inverse[j]
            found_NK = torch.argsort(order_N)[of_x_NK[order_N]]
        return float((found_NK[:, :, None] == of_y_NK[:, None, :]).sum()) / (n * k)

    return judged(MUTUAL_KNN, statistic, best=1.0, n=n, null=null, seed=seed, device=first.device)


def neighbours(rows_ND: Tensor, k: int, distance: Distance, seed: int, side: int) -> Tensor:
    """The positions of each row's k nearest others, (N, K)."""
    n = len(rows_ND)
    # Distances by products would lose the digits that an offset takes.
    rows_ND = F.normalize(rows_ND, dim=1, eps=1e-300) if distance == "cosine" else rows_ND - rows_ND.mean(0)
    # In an order of its own, the first of those that are equally near is any of them.
    places_N = torch.randperm(n, generator=generator(seed, STREAM, side)).to(rows_ND.device)
    others_ND = rows_ND[places_N]
    found = []
    for part_B in torch.split(torch.arange(n, device=rows_ND.device), max(1, AT_ONCE // n)):
        if distance == "cosine":
            near_BN = rows_ND[part_B] @ others_ND.t()
        else:
            near_BN = -torch.cdist(rows_ND[part_B], others_ND)
        near_BN[part_B[:, None] == places_N] = -torch.inf
        found.append(places_N[near_BN.topk(k, dim=1).indices])
    return torch.cat(found)
