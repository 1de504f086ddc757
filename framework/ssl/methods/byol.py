"""BYOL: from one view the target of a momentum encoder for the other is predicted; there are no negatives.

The online network θ has encoder f, projection g and predictor q, the target network ξ an encoder and a
projection. With p = q(g(f(x))) of one view and z = g_ξ(f_ξ(x')) of the other, both divided by their length,
[1, equation (2)] is

    L = ||p - z||² = 2 - 2 p · z / (||p|| ||z||)                                                             (1)

and the loss is its mean over both orders of the views. The targets take no gradient; after each step
[1, section 3.3]

    ξ ← m ξ + (1 - m) θ,    m = 1 - (1 - m_0) (cos(π k / (n - 1)) + 1) / 2 in step k = 0 … n - 1             (2)

so that m goes from m_0 to 1, which it is in the last step (n = 1 has that step alone). Where n is not known, m is
m_0. Here d = L/2 - 1, lightly's `NegativeCosineSimilarity`, which has half the
gradient of L:

    d(z, p) = - 1/B Σ_b p_b · z_b / (||p_b|| ||z_b||)                                                        (3)

Equation (2) is in `framework/ssl/pairwise.py`, as other methods can have it, too. `momentum: null` leaves a
SimSiam; with `stop_gradient: false` and `predictor: null`, too, it collapses.

Where this departs from [1]:

    heads     D-1024 (batch normalisation, ReLU) -256; predictor 256-1024 (batch normalisation, ReLU) -256; hidden
              layers of [1] have 4096
    k / n     k / (n - 1), so that the last step has m = 1; with [1] m = 1 would come in a step after the last
    m_0       0.99, for few steps; [1] has 0.996 for a thousand epochs of ImageNet
    views     more than two by the strategies of `framework/ssl/strategies.py`

[1] Grill, Strub, Altché and others, "Bootstrap your own latent: a new approach to self-supervised learning", 2020.

Shapes: B images, D features, F numbers of a projection.
"""

from lightly.loss import NegativeCosineSimilarity  # type: ignore[import-untyped]
from torch import Tensor

from framework.ssl.backbones import Backbone
from framework.ssl.config import BYOL
from framework.ssl.pairwise import PairMethod


class BYOLMethod(PairMethod):
    """BYOL; see the module."""

    term = "negative_cosine"

    def __init__(self, config: BYOL, backbone: Backbone) -> None:
        super().__init__(config, backbone)
        self.criterion = NegativeCosineSimilarity()

    def pair_loss(self, targets_BF: Tensor, predictions_BF: Tensor) -> Tensor:
        """Equation (3) of targets and predictions (B, F)."""
        loss: Tensor = self.criterion(predictions_BF, targets_BF)
        return loss
