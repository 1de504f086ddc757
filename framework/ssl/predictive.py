"""The negative cosine similarity of targets and predictions: what BYOL, SimSiam and FastSiam share.

    d(z, p) = - 1/B Σ_b z_b · p_b / (||z_b|| ||p_b||)

Shapes: B images, F numbers of a projection.
"""

from lightly.loss import NegativeCosineSimilarity  # type: ignore[import-untyped]
from torch import Tensor

from framework.ssl.backbones import Backbone
from framework.ssl.config import Pairwise
from framework.ssl.pairwise import PairMethod


class PredictiveMethod(PairMethod):
    """A method with the negative cosine similarity between targets and predictions."""

    term = "negative_cosine"

    def __init__(self, config: Pairwise, backbone: Backbone) -> None:
        super().__init__(config, backbone)
        self.criterion = NegativeCosineSimilarity()

    def pair_loss(self, targets_BF: Tensor, predictions_BF: Tensor) -> Tensor:
        """Minus the mean cosine of targets and predictions (B, F)."""
        loss: Tensor = self.criterion(predictions_BF, targets_BF)
        return loss
