"""RankMe: the effective rank of features, which goes with how well a linear probe does on them.

    RankMe(Z) = exp(-Σ_k p_k log p_k),    p_k = σ_k / Σ_j σ_j + ε                               [1, equation 1] (1)

σ are the min(N, D) singular values of Z (N, D), which is not centred, and ε = 1e-7. It is 1 where all rows are
equal, and min(N, D) where all directions are alike. Zeros have the rank 0.

[1] Garrido, Balestriero, Najman and LeCun, "RankMe: assessing the downstream performance of pretrained
    self-supervised representations by their rank", 2023.

Shapes: N images, D features.
"""

import torch
from torch import Tensor

from framework.metrics.metric import Metric
from framework.ssl.diagnostics.inputs import Numbers, rows_of

EPS = 1e-7
RANKME = Metric("rankme", "effective number of directions, from 1 to min(N, D)", "higher", "of all images")


def rankme(features_ND: Numbers, *, eps: float = EPS) -> float:
    """Equation (1) of features (N, D), or of projections of all views (V, B, F), whose rows are taken together.

    Raises:
        InvalidInput: as `rows_of`.
    """
    return effective_rank(torch.linalg.svdvals(rows_of(features_ND, "rankme")), eps)


def effective_rank(spectrum_K: Tensor, eps: float = EPS) -> float:
    """exp of the entropy of a spectrum (K,) that is made to sum to 1 (Roy and Vetterli, 2007); 0 for zeros."""
    total = spectrum_K.sum()
    if not bool(total > 0):
        return 0.0
    shares_K = spectrum_K / total + eps
    return float((-torch.xlogy(shares_K, shares_K).sum()).exp())
