"""NT-Xent, with or without a memory bank: what SimCLR and MoCo share.

Without a bank, for the 2B normalised projections u of targets and predictions together, with t the temperature:

    d(z, p) = - 1/2B Σ_i log [ exp(u_i · u_j(i) / t) / Σ_{k≠i} exp(u_i · u_k / t) ]    j(i): the other view of i

With a bank of K normalised projections b of earlier batches (InfoNCE):

    d(z, p) = - 1/B Σ_i log [ exp(p_i · z_i / t) / (exp(p_i · z_i / t) + Σ_k exp(p_i · b_k / t)) ]

The first is symmetric in z and p. The bank takes the targets of all views once all losses of a step are computed,
so that no image is its own negative; at evaluation it stays as it is.

Shapes: V views, B images, F numbers of a projection.
"""

import torch
from lightly.loss import NTXentLoss  # type: ignore[import-untyped]
from torch import Tensor

from framework.ssl.backbones import Backbone
from framework.ssl.config import MoCo, SimCLR, projection_width
from framework.ssl.memory import MemoryBank
from framework.ssl.method import GATHERED
from framework.ssl.pairwise import PairMethod


class ContrastiveMethod(PairMethod):
    """A method with NT-Xent between targets and predictions."""

    term = "nt_xent"
    config: SimCLR | MoCo

    def __init__(self, config: SimCLR | MoCo, backbone: Backbone) -> None:
        super().__init__(config, backbone)
        self.criterion = NTXentLoss(config.temperature, gather_distributed=GATHERED)
        if config.memory_bank_size:
            self.criterion.memory_bank = MemoryBank(config.memory_bank_size, projection_width(config))

    def pair_loss(self, targets_BF: Tensor, predictions_BF: Tensor) -> Tensor:
        """NT-Xent of targets and predictions (B, F)."""
        loss: Tensor = self.criterion(predictions_BF, targets_BF)
        return loss

    def compare(self, targets_VBF: Tensor, predictions_VBF: Tensor) -> dict[str, Tensor]:
        """The loss of the strategy; the targets then go into the bank, while training.

        Raises:
            InvalidInput: the bank is smaller than what it is to take at once.
        """
        parts = super().compare(targets_VBF, predictions_VBF)
        if self.config.memory_bank_size and self.training and torch.is_grad_enabled():
            self.criterion.memory_bank.enqueue(targets_VBF.detach().flatten(0, 1))
        return parts
