"""α-ReQ: how fast the eigenvalues of the features' covariance decay; about 1 goes with features that generalise.

    λ_j ∝ j^-α                                                                                  [1, equation 3] (1)

for the eigenvalues λ_1 ≥ λ_2 ≥ … of the covariance of features (N, D). α is minus the slope of log λ_j over log j,
by least squares with the weights 1/j [2], over the ranks 11 to 100 as its authors fit it: the first eigenvalues
and the last follow no power law. Where fewer eigenvalues are positive it is over the ranks up to the last of them,
and from 1 where these are fewer than 20.

[1] Agrawal, Mondal, Ghosh and Richards, "α-ReQ: assessing representation quality in self-supervised learning by
    measuring eigenspectrum decay", 2022.
[2] Stringer, Pachitariu, Steinmetz, Carandini and Harris, "High-dimensional geometry of population responses in
    visual cortex", 2019.

Shapes: N images, D features, K eigenvalues.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.metrics.metric import Metric
from framework.ssl.diagnostics.inputs import SAME, Numbers, rows_of
from framework.values import is_number

RANKS = (11, 100)
FEW = 20
ALPHA_REQ = Metric("alpha_req", "exponent of the decay of eigenvalues, about 1 is best", "lower", "of all images")


@dataclass(frozen=True)
class PowerLaw:
    """The exponent, the share of the variance of log λ that it explains, and the ranks that it was fitted to."""

    alpha: float
    r2: float
    ranks: tuple[int, int]

    def __float__(self) -> float:
        return self.alpha


def alpha_req(features_ND: Numbers, *, ranks: tuple[int, int] | None = None) -> PowerLaw:
    """Equation (1) of features (N, D), or of projections of all views (V, B, F), whose rows are taken together.

    `ranks` are the first and the last that are fitted, counted from 1. α is infinite where fewer than two
    eigenvalues are positive: of features that are constant, or vary along one direction.

    Raises:
        InvalidInput: as `rows_of`; a single row; ranks that are no pair 1 ≤ first < last, or of which fewer than
            two are positive.
    """
    rows_ND = rows_of(features_ND, "alpha_req", fewest=2)
    deviations_K = torch.linalg.svdvals(rows_ND - rows_ND.mean(dim=0))
    # What centring leaves of constant features is rounding.
    positive = deviations_K > SAME * max(len(rows_ND), rows_ND.shape[1]) * float(rows_ND.abs().max())
    return fitted(deviations_K[positive].square() / (len(rows_ND) - 1), ranks)


def fitted(eigenvalues_K: Tensor, ranks: tuple[int, int] | None = None) -> PowerLaw:
    """The power law of positive eigenvalues (K,), the largest first.

    Raises:
        InvalidInput: ranks that are no pair 1 ≤ first < last, or of which there are fewer than two.
    """
    count = len(eigenvalues_K)
    if ranks is not None and not (
        len(ranks) == 2 and all(is_number(rank, whole=True) for rank in ranks) and 1 <= ranks[0] < ranks[1]
    ):
        raise InvalidInput([Problem("ranks", f"is {ranks!r}; allowed: a pair, 1 ≤ first < last")], "alpha_req")
    if count < 2:
        return PowerLaw(float("inf"), float("nan"), (1, count))
    first, last = ranks or (RANKS if count >= FEW else (1, RANKS[1]))
    last = min(last, count)
    if first >= last:
        message = f"is {ranks!r}, and {count} eigenvalues are positive; allowed: two or more of them"
        raise InvalidInput([Problem("ranks", message)], "alpha_req")
    ranks_J = torch.arange(first, last + 1, dtype=torch.float64, device=eigenvalues_K.device)
    x_J, y_J, weights_J = ranks_J.log(), eigenvalues_K[first - 1 : last].log(), 1 / ranks_J
    weights_J = weights_J / weights_J.sum()
    x_J, y_J = x_J - (weights_J * x_J).sum(), y_J - (weights_J * y_J).sum()
    slope = (weights_J * x_J * y_J).sum() / (weights_J * x_J.square()).sum()
    spread = float((weights_J * y_J.square()).sum())
    left = float((weights_J * (y_J - slope * x_J).square()).sum())
    return PowerLaw(-float(slope), 1 - left / spread if spread > 0 else float("nan"), (first, last))
