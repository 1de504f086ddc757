"""Barlow Twins: a feature is the same in both views, and no feature says what another says.

With ẑ and p̂ the projections of two views, each number brought to mean 0 and variance 1 over the batch, the
cross-correlation matrix and the loss are [1, equations (2) and (1)]

    C       = 1/B Σ_b ẑ_b p̂_bᵀ,    (F, F), entries in [-1, 1]                                               (1)
    d(z, p) = Σ_i (1 - C_ii)² + λ Σ_i Σ_{j≠i} C_ij²,    λ = 5e-3                                             (2)

the first sum for invariance, the second against redundancy. Here it is lightly's `BarlowTwinsLoss`. The targets
are the projections themselves, with their gradient; there is no predictor. The loss is symmetric in z and p, as
the other order transposes C.

Where this departs from [1]:

    head      D-2048 (batch normalisation, ReLU) -2048; [1] has three layers of 8192
    ranks     where several processes train together, each takes all their projections, so that C is that of the
              whole batch: lightly's own sum over processes would normalise each share by itself
    views     more than two by the strategies of `framework/ssl/strategies.py`

[1] Zbontar, Jing, Misra, LeCun and Deny, "Barlow Twins: self-supervised learning via redundancy reduction", 2021.

Shapes: B images, D features, F numbers of a projection.
"""

from lightly.loss import BarlowTwinsLoss  # type: ignore[import-untyped]
from torch import Tensor

from framework.ssl.backbones import Backbone
from framework.ssl.config import BarlowTwins
from framework.ssl.method import gathered
from framework.ssl.pairwise import PairMethod


class BarlowTwinsMethod(PairMethod):
    """Barlow Twins; see the module."""

    term = "barlow_twins"

    def __init__(self, config: BarlowTwins, backbone: Backbone) -> None:
        super().__init__(config, backbone)
        self.criterion = BarlowTwinsLoss(config.redundancy_weight)

    def pair_loss(self, targets_BF: Tensor, predictions_BF: Tensor) -> Tensor:
        """Equation (2) of targets and predictions (B, F)."""
        loss: Tensor = self.criterion(gathered(targets_BF), gathered(predictions_BF))
        return loss
