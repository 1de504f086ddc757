"""VICReg: views agree, each number varies over the batch, and no two numbers vary together.

Of the projections z and p of two views [1, equations (1) to (6)], with variances and covariances over the batch
that have B - 1 in their denominators:

    v(z)    = 1/F Σ_f max(0, 1 - √(var_b(z_bf) + ε)),    ε = 1e-4           variance                         (1)
    c(z)    = 1/F Σ_f Σ_{g≠f} cov_b(z)_fg²                                  covariance                       (2)
    s(z, p) = 1/(B F) Σ_b ||z_b - p_b||²                                    invariance                       (3)
    d(z, p) = λ s(z, p) + μ/2 [v(z) + v(p)] + ν [c(z) + c(p)],    λ = μ = 25, ν = 1                          (4)

Here it is lightly's `VICRegLoss`. v keeps every number from shrinking to one value, c keeps two of them from
saying the same. The targets are the projections themselves, with their gradient; there is no predictor. The
loss is symmetric in z and p.

Where this departs from [1]:

    s, v      s is a mean over numbers, too, and the variances are halved: so has the authors' code, while [1] has
              ||z - p||² and v(z) + v(p)
    head      D-2048 (batch normalisation, ReLU) -2048 (batch normalisation); [1] has three layers of 8192
    views     more than two by the strategies of `framework/ssl/strategies.py`

[1] Bardes, Ponce and LeCun, "VICReg: variance-invariance-covariance regularization for self-supervised learning",
    2022.

Shapes: B images, D features, F numbers of a projection.
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
        """Equation (4) of targets and predictions (B, F)."""
        loss: Tensor = self.criterion(targets_BF, predictions_BF)
        return loss
