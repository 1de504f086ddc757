"""k nearest neighbours as a classifier: how well the features of one class lie together, with nothing to train.

    score(c) = Σ_{i ∈ N_k(x)} w_i [y_i = c],    w_i = exp(cos(x, x_i) / t)           [1, section 3.4]          (1)

N_k are the k rows of the bank with the largest cosines. The plain vote has w_i = 1. Scores are given as shares of
their sum; exp(cos / t) is taken relative to the nearest row, so that no temperature overflows. Of classes with
equal scores the one with the lowest number is first, and of bank rows that are equally near the one that stands
first in the bank (`framework/ssl/evaluation/search.py`).

[1] Wu, Xiong, Yu and Lin, "Unsupervised feature learning via non-parametric instance discrimination", 2018.

Shapes: Q queries, N rows of the bank, D features, K neighbours, C classes.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.ssl.evaluation.search import bank_of, refuse_unsearchable, shared
from framework.values import is_number

NEIGHBOURS = 200
TEMPERATURE = 0.1
Weights = Literal["distance", "uniform"]


def knn_scores(
    queries_QD: Tensor,
    bank_ND: Tensor,
    labels_N: Tensor,
    num_classes: int,
    *,
    k: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
    weights: Weights = "distance",
    indices_Q: Tensor | None = None,
    indices_N: Tensor | None = None,
) -> Tensor:
    """Equation (1): the score of each class for each query, (Q, C), on the device of the features.

    Args:
        queries_QD: Features of what is classified.
        bank_ND: Features of the images whose classes are known.
        labels_N: Their classes, 0 … C - 1.
        num_classes: C.
        k: Neighbours that vote.
        temperature: t; the smaller, the more the nearest count.
        weights: distance for equation (1), uniform for the plain vote.
        indices_Q: Where the queries come from: positions in the data set that the bank's positions are of, too.
        indices_N: Where the bank comes from.

    Raises:
        InvalidInput: a bank smaller than k; an index that is among the bank's and the queries'; as
            `refuse_unsearchable`; labels that are not of the bank or no classes; a temperature that is not
            positive; other weights. All problems together.
    """
    _refuse(bank_ND, labels_N, num_classes, temperature, weights, indices_Q, indices_N)
    refuse_unsearchable(queries_QD, bank_ND, k)
    labels_N = labels_N.to(bank_ND.device)
    found = []
    for cosines_BK, positions_BK in bank_of(bank_ND).chunks(queries_QD, k):
        if weights == "distance":
            votes_BK = ((cosines_BK - cosines_BK.amax(dim=1, keepdim=True)) / temperature).exp()
        else:
            votes_BK = torch.ones_like(cosines_BK)
        scores_BC = votes_BK.new_zeros(len(votes_BK), num_classes).scatter_add_(
            1, labels_N[positions_BK], votes_BK
        )
        found.append(scores_BC / scores_BC.sum(dim=1, keepdim=True))
    return torch.cat(found)


def _refuse(
    bank_ND: Tensor,
    labels_N: Tensor,
    num_classes: int,
    temperature: float,
    weights: str,
    indices_Q: Tensor | None,
    indices_N: Tensor | None,
) -> None:
    problems = []
    if labels_N.shape != bank_ND.shape[:1]:
        problems.append(
            Problem("labels", f"has the shape {tuple(labels_N.shape)}; allowed: {tuple(bank_ND.shape[:1])}")
        )
    elif len(labels_N) and not 0 <= int(labels_N.min()) <= int(labels_N.max()) < num_classes:
        message = f"are {int(labels_N.min())} to {int(labels_N.max())}; allowed: 0 to {num_classes - 1}"
        problems.append(Problem("labels", message))
    if not (is_number(temperature) and temperature > 0):
        problems.append(Problem("temperature", f"is {temperature!r}; allowed: a number above 0"))
    if weights not in get_args(Weights):
        problems.append(Problem("weights", f"is {weights!r}; allowed: {', '.join(get_args(Weights))}"))
    problems += shared(indices_Q, indices_N)
    if problems:
        raise InvalidInput(problems, "knn")
