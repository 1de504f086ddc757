"""Decoupled contrastive learning: NT-Xent whose denominator has no positive pair, which helps small batches.

In the gradient of NT-Xent (`simclr.py`) a factor couples the positive pair with the negatives, and is small
where the positive pair is told with ease or the negatives are few. It goes where the positive pair is no part
of the denominator [1, equation (6)]. With normalised projections and the temperature t

    l(z, p) = 1/B Σ_b [ - w_b z_b · p_b / t + log Σ_{c≠b} (exp(z_b · z_c / t) + exp(z_b · p_c / t)) ]        (1)
    d(z, p) = 1/2 [l(z, p) + l(p, z)]                                                                        (2)
    w_b     = 1; with `weighted` 2 - B softmax_b(z_b · p_b / σ)                                              (3)

Here (2) is lightly's `DCLLoss`, and with the weights of (3), which make pairs count more that are far apart,
its `DCLWLoss`. The targets are the projections themselves, with their gradient; there is no predictor. The loss
is symmetric in z and p.

Where this departs from [1]:

    head      D-512-512-512-512 (batch normalisation, ReLU) -128 (batch normalisation), AutoSSL's, as SimCLR's here
    t, σ      0.1 and 0.5, lightly's
    views     more than two by the strategies of `framework/ssl/strategies.py`

[1] Yeh, Hong, Hsu, Liu, Chen and LeCun, "Decoupled contrastive learning", 2021.

Shapes: B images, D features, F numbers of a projection.
"""

from functools import partial

from lightly.loss import DCLLoss  # type: ignore[import-untyped]
from torch import Tensor

from framework.ssl.backbones import Backbone
from framework.ssl.config import DCL
from framework.ssl.method import GATHERED
from framework.ssl.pairwise import PairMethod


def von_mises_fisher_weights(z_BF: Tensor, p_BF: Tensor, sigma: float) -> Tensor:
    """The weights w (B,) of equation (3), of normalised z and p (B, F), without gradient.

    Equal to lightly's, which copies a tensor in a way that PyTorch warns of.
    """
    similarities_B = (z_BF.detach() * p_BF.detach()).sum(1) / sigma
    return 2 - len(z_BF) * similarities_B.softmax(0)


class DCLMethod(PairMethod):
    """Decoupled contrastive learning; see the module."""

    term = "dcl"

    def __init__(self, config: DCL, backbone: Backbone) -> None:
        super().__init__(config, backbone)
        weights = partial(von_mises_fisher_weights, sigma=config.sigma) if config.weighted else None
        self.criterion = DCLLoss(config.temperature, weights, gather_distributed=GATHERED)

    def pair_loss(self, targets_BF: Tensor, predictions_BF: Tensor) -> Tensor:
        """Equation (2) of targets and predictions (B, F)."""
        loss: Tensor = self.criterion(targets_BF, predictions_BF)
        return loss
