"""What learning has in common, whatever the model: Adam, and the schedule of its step size. Knows no loss."""

from typing import Any, ClassVar

import pytorch_lightning as pl
import torch

from framework.models.base import Model
from framework.training.config import TrainingConfig


class Training(pl.LightningModule):
    """Trains `model`. A subclass gives the two steps.

    Each step returns what it measures by name, one number an image, (B,), so that the means over an epoch weigh
    images, not batches; the training step returns the `loss` beside. The val error named `error` chooses the best
    epoch.
    """

    error: ClassVar[str]

    def __init__(self, model: Model, config: TrainingConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config

    def configure_optimizers(self) -> Any:
        """Adam, with a constant step size, or one that falls in a line to zero after the last epoch."""
        optimizer = torch.optim.Adam(
            self.model.parameters(),
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            fused=self.device.type == "cpu",  # on a GPU Lightning refuses it beside clipping in mixed precision
        )
        if self.config.schedule == "constant":
            return optimizer
        epochs = self.config.max_epochs
        return [optimizer], [torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 - epoch / epochs)]
