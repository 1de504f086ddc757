"""SimSiam: from one view the projection of the other, without its gradient, is predicted.

With encoder and projection f and predictor h, of the views x_1 and x_2: z_i = f(x_i), p_i = h(z_i), and
[1, equations (1), (3) and (4)]

    d(z, p) = - 1/B Σ_b p_b · z_b / (||p_b|| ||z_b||)                                                        (1)
    loss    = 1/2 d(stop(z_2), p_1) + 1/2 d(stop(z_1), p_2)                                                  (2)

where nothing flows back through stop(z). (1) is lightly's `NegativeCosineSimilarity`, (2) `strategy: none`.

Without the stopped gradient or without the predictor it collapses [1, sections 4.1 and 4.2]: all images come to
lie at one place, which is the minimum of (2); the loss goes to -1, and the standard deviation of normalised
projections from about 1/√F, that of directions drawn at random, to 0. `stop_gradient: false` and
`predictor: null` show it (`sweeps/ssl_stopgrad.yaml`).

Where this departs from [1]:

    heads     D-2048 (batch normalisation, ReLU) -2048 (batch normalisation without scale and shift, as in the
              authors' code); [1] has two layers for CIFAR-10, too, and three for ImageNet. Predictor 2048-512
              (batch normalisation, ReLU) -2048
    views     more than two by the strategies of `framework/ssl/strategies.py`; with `fastsim` it is FastSiam

[1] Chen and He, "Exploring simple siamese representation learning", 2021.

Shapes: B images, D features, F numbers of a projection.
"""

from lightly.loss import NegativeCosineSimilarity  # type: ignore[import-untyped]
from torch import Tensor

from framework.ssl.backbones import Backbone
from framework.ssl.config import SimSiam
from framework.ssl.pairwise import PairMethod


class SimSiamMethod(PairMethod):
    """SimSiam; see the module."""

    term = "negative_cosine"

    def __init__(self, config: SimSiam, backbone: Backbone) -> None:
        super().__init__(config, backbone)
        self.criterion = NegativeCosineSimilarity()

    def pair_loss(self, targets_BF: Tensor, predictions_BF: Tensor) -> Tensor:
        """Equation (1) of targets and predictions (B, F)."""
        loss: Tensor = self.criterion(predictions_BF, targets_BF)
        return loss
