"""How a classifier learns: by the cross-entropy. Knows no logging and no files.

Shapes: B images in a batch, K classes.
"""

from torch import Tensor, nn

from framework.metrics.classification import cross_entropy_per_image
from framework.training.batches import Batch
from framework.training.module import Training


class ClassifierTraining(Training):
    """Trains `model`, any module that gives logits, to tell the classes; the loss is the cross-entropy in nats."""

    error = "cross_entropy"
    model: nn.Module

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The loss, and the `cross_entropy` (B,) of the images in the batch, in train mode."""
        images, labels_B = batch
        errors_B = cross_entropy_per_image(self.model(images), labels_B)
        return {"loss": errors_B.mean(), "cross_entropy": errors_B.detach()}

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """`cross_entropy` and `accuracy` (B,), 0 or 1, of the images in the batch, in eval mode."""
        images, labels_B = batch
        logits_BK = self.model(images)
        right_B = logits_BK.argmax(dim=1) == labels_B
        return {"cross_entropy": cross_entropy_per_image(logits_BK, labels_B), "accuracy": right_B.float()}
