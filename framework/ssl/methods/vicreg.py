"""VICReg: views agree, each number varies over the batch, and no two numbers vary together.

Bardes, Ponce and LeCun, "VICReg: variance-invariance-covariance regularization for self-supervised learning",
2022, equations (1) to (6), here lightly's `VICRegLoss`, which halves the variance term as the authors' code does:

    invariance   1/(B F) Σ_b ||z_b - p_b||²
    variance     v(z) = 1/F Σ_f max(0, 1 - √(var_b(z_bf) + 1e-4))
    covariance   c(z) = 1/F Σ_f Σ_{g≠f} cov_b(z)_fg²
    d(z, p)      λ invariance + μ 1/2 [v(z) + v(p)] + ν [c(z) + c(p)],    λ = μ = 25, ν = 1
    head         D-2048 (batch normalisation, ReLU) -2048 (batch normalisation); no predictor
    targets      the projections themselves, with their gradient

The loss is symmetric in z and p. Variances and covariances have B - 1 in their denominators.

Shapes: B images, F numbers of a projection.
"""

from lightly.loss import VICRegLoss  # type: ignore[import-untyped]
from torch import Tensor

from framework.ssl.backbones import Backbone
from framework.ssl.config import VICReg
from framework.ssl.method import GATHERED
from framework.ssl.pairwise import PairMethod


class VICRegMethod(PairMethod):
    """VICReg; see the module."""

    term = "vicreg"

    def __init__(self, config: VICReg, backbone: Backbone) -> None:
        super().__init__(config, backbone)
        self.criterion = VICRegLoss(
            config.invariance_weight, config.variance_weight, config.covariance_weight, gather_distributed=GATHERED
        )

    def pair_loss(self, targets_BF: Tensor, predictions_BF: Tensor) -> Tensor:
        """Equation (6) of targets and predictions (B, F)."""
        loss: Tensor = self.criterion(targets_BF, predictions_BF)
        return loss
