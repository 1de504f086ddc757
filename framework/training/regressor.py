"""How a model of numbers learns: by the squared error. Knows no logging and no files.

Shapes: B samples in a batch.
"""

from torch import Tensor, nn

from framework.training.batches import Batch
from framework.training.module import Training


class RegressorTraining(Training):
    """Trains `model`, any module that gives a number a sample, (B,); the loss is the squared error in its unit."""

    error = "mse"
    model: nn.Module

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The loss, and the squared error `mse` (B,) of the samples in the batch, in train mode."""
        inputs, targets_B = batch
        errors_B = (self.model(inputs) - targets_B).square()
        return {"loss": errors_B.mean(), "mse": errors_B.detach()}

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The squared error `mse` (B,) of the samples in the batch, in eval mode."""
        inputs, targets_B = batch
        return {"mse": (self.model(inputs) - targets_B).square()}
