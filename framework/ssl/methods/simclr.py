"""SimCLR: the other view of an image is told from all other images of the batch.

With f the encoder and g the projection head, u = g(f(x)) / ||g(f(x))|| of each of the 2B distorted images, and
t the temperature, the loss of a positive pair (i, j), two views of one image, is [1, equation (1)]

    l(i, j) = - log [ exp(u_i · u_j / t) / Σ_{k≠i} exp(u_i · u_k / t) ]                                      (1)

and that of the batch the mean over all ordered positive pairs [1, algorithm 1]

    d(z, p) = 1/2B Σ_i l(i, j(i)),    j(i) the other view of i                                               (2)

Here it is lightly's `NTXentLoss`. The targets z are the projections themselves, with their gradient, and p = z:
the loss is symmetric in z and p, and `strategy: none` counts it once for each order, to the same mean.

Where this departs from [1]:

    head      D-512-512-512-512 (batch normalisation, ReLU) -128 (batch normalisation), AutoSSL's; [1, section 4.2]
              has one hidden layer
    t         0.5, what [1, appendix B.9] finds best for CIFAR-10
    bank      with `memory_bank_size` the negatives are the projections of earlier batches, as in MoCo (`moco.py`),
              and no longer those of the batch; [1] has none
    views     more than two by the strategies of `framework/ssl/strategies.py`

[1] Chen, Kornblith, Norouzi and Hinton, "A simple framework for contrastive learning of visual representations",
    2020.

Shapes: V views, B images, D features, F numbers of a projection.
"""

from torch import Tensor

from framework.ssl.backbones import Backbone
from framework.ssl.config import SimCLR, projection_width
from framework.ssl.memory import BankedNTXent
from framework.ssl.pairwise import PairMethod


class SimCLRMethod(PairMethod):
    """SimCLR; see the module."""

    term = "nt_xent"
    config: SimCLR

    def __init__(self, config: SimCLR, backbone: Backbone) -> None:
        super().__init__(config, backbone)
        self.criterion = BankedNTXent(config.temperature, config.memory_bank_size, projection_width(config))

    def pair_loss(self, targets_BF: Tensor, predictions_BF: Tensor) -> Tensor:
        """Equation (2) of targets and predictions (B, F); with a bank equation (1) of `moco.py`."""
        loss: Tensor = self.criterion(predictions_BF, targets_BF)
        return loss

    def compare(self, targets_VBF: Tensor, predictions_VBF: Tensor) -> dict[str, Tensor]:
        """The loss of the strategy; where there is a bank, the targets then go into it.

        Raises:
            InvalidInput: the bank is smaller than what it is to take at once.
        """
        parts = super().compare(targets_VBF, predictions_VBF)
        if self.training:
            self.criterion.enqueue(targets_VBF)
        return parts
