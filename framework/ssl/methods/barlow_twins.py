"""Barlow Twins: a feature is the same in both views, and no feature says what another says.

Zbontar, Jing, Misra, LeCun and Deny, "Barlow Twins: self-supervised learning via redundancy reduction", 2021,
equations (1) and (2), here lightly's `BarlowTwinsLoss`:

    C          = 1/B Σ_b ẑ_b p̂_bᵀ (F, F), with ẑ and p̂ of mean 0 and variance 1 over the batch
    d(z, p)    Σ_i (1 - C_ii)² + λ Σ_i Σ_{j≠i} C_ij²,    λ = 5e-3
    head       D-2048 (batch normalisation, ReLU) -2048; no predictor
    targets    the projections themselves, with their gradient

The loss is symmetric in z and p. Where several processes train together, each takes all their projections:
lightly's own sum over processes normalises each share by itself.

Shapes: B images, F numbers of a projection.
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
        """Equation (1) of targets and predictions (B, F)."""
        loss: Tensor = self.criterion(gathered(targets_BF), gathered(predictions_BF))
        return loss
