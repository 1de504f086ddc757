"""How an autoencoder learns: mean squared error and Adam. Knows no logging and no files."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from framework.metrics.reconstruction import mse_per_image
from framework.models.autoencoder import Autoencoder
from framework.training.batches import Batch
from framework.training.config import TrainingConfig


class AutoencoderTraining(pl.LightningModule):
    """Trains `model` to give its images back; the loss is the mean squared error per pixel on [0, 1].

    Both steps return the error of each image, so that the means over an epoch weigh images, not batches.
    """

    pixel_scale: Tensor

    def __init__(self, model: Autoencoder, config: TrainingConfig, pixel_scale_C: Tensor) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.register_buffer("pixel_scale", pixel_scale_C.clone(), persistent=False)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The loss, and the detached `errors` (B,) of the images in the batch, in train mode."""
        errors_B = self._errors(batch)
        return {"loss": errors_B.mean(), "errors": errors_B.detach()}

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The `errors` (B,) of the images in the batch, in eval mode."""
        return {"errors": self._errors(batch)}

    def configure_optimizers(self) -> Any:
        """Adam with constant step size."""
        return torch.optim.Adam(
            self.model.parameters(),
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            fused=self.device.type == "cpu",  # on a GPU Lightning refuses it beside clipping in mixed precision
        )

    def _errors(self, batch: Batch) -> Tensor:
        images = batch[0]
        return mse_per_image(self.model(images), images, self.pixel_scale)
