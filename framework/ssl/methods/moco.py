"""MoCo: the target that a momentum encoder gives is told from its targets of earlier batches.

The query p = g(f(x)) is a projection of one view, the key z = g_ξ(f_ξ(x')) one of the other by the momentum
encoder, both of length 1; b_1 … b_K are the keys of earlier batches, in a bank. With t the temperature
[1, equation (1)]

    d(z, p) = - 1/B Σ_i log [ exp(p_i · z_i / t) / (exp(p_i · z_i / t) + Σ_k exp(p_i · b_k / t)) ]           (1)

The keys take no gradient; after each step the momentum encoder follows the other [1, equation (2)]

    ξ ← m ξ + (1 - m) θ                                                                                      (2)

and the keys of the step take the place of the oldest in the bank (`framework/ssl/memory.py`), once all losses
are computed, so that no image is its own negative; at evaluation the bank stays as it is. Equation (1) is
lightly's `NTXentLoss` with a bank, (2) is in `framework/ssl/pairwise.py`, as other methods can have it, too.

Where this departs from [1]:

    head      D-512 (ReLU) -128 without batch normalisation, that of [2]; [1] has a linear one
    t, m, K   0.1, 0.99 and 4096, as in the authors' code for CIFAR-10; for ImageNet [1] has 0.07, 0.999 and 65536
    order     two views are symmetrised (`strategy: none`), an option of that code: each is query and key in turn,
              and the keys of both go into the bank
    shuffle   `backbone.splits` has the part of shuffled batch normalisation [1, section 3.3]: keys are shuffled
              before they are normalised in groups
    bank      without one (`memory_bank_size: 0`) the negatives are those of the batch, as in SimCLR

[1] He, Fan, Wu, Xie and Girshick, "Momentum contrast for unsupervised visual representation learning", 2020.
[2] Chen, Fan, Girshick and He, "Improved baselines with momentum contrastive learning", 2020.

Shapes: V views, B images, D features, F numbers of a projection, K projections in the bank.
"""

from torch import Tensor

from framework.ssl.backbones import Backbone
from framework.ssl.config import MoCo, projection_width
from framework.ssl.memory import BankedNTXent
from framework.ssl.pairwise import PairMethod


class MoCoMethod(PairMethod):
    """MoCo; see the module."""

    term = "nt_xent"
    config: MoCo

    def __init__(self, config: MoCo, backbone: Backbone) -> None:
        super().__init__(config, backbone)
        self.criterion = BankedNTXent(config.temperature, config.memory_bank_size, projection_width(config))

    def pair_loss(self, targets_BF: Tensor, predictions_BF: Tensor) -> Tensor:
        """Equation (1) of keys and queries (B, F); without a bank equation (2) of `simclr.py`."""
        loss: Tensor = self.criterion(predictions_BF, targets_BF)
        return loss

    def compare(self, targets_VBF: Tensor, predictions_VBF: Tensor) -> dict[str, Tensor]:
        """The loss of the strategy; the keys then go into the bank.

        Raises:
            InvalidInput: the bank is smaller than what it is to take at once.
        """
        parts = super().compare(targets_VBF, predictions_VBF)
        if self.training:
            self.criterion.enqueue(targets_VBF)
        return parts
