"""How an autoencoder learns: by the mean squared error. Knows no logging and no files.

Shapes: B images in a batch, C channels.
"""

from torch import Tensor

from framework.metrics.reconstruction import mse_per_image
from framework.models.autoencoder import Autoencoder
from framework.training.batches import Batch
from framework.training.config import TrainingConfig
from framework.training.module import Training


class AutoencoderTraining(Training):
    """Trains `model` to give its images back; the loss is the mean squared error per pixel on [0, 1]."""

    error = "mse"
    model: Autoencoder
    pixel_scale: Tensor

    def __init__(self, model: Autoencoder, config: TrainingConfig, pixel_scale_C: Tensor) -> None:
        super().__init__(model, config)
        self.register_buffer("pixel_scale", pixel_scale_C.clone(), persistent=False)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The loss, and the `mse` (B,) of the images in the batch, in train mode."""
        errors_B = self.errors(batch)
        return {"loss": errors_B.mean(), "mse": errors_B.detach()}

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The `mse` (B,) of the images in the batch, in eval mode."""
        return {"mse": self.errors(batch)}

    def errors(self, batch: Batch) -> Tensor:
        """The mean squared error of each image in the batch, (B,)."""
        images = batch[0]
        return mse_per_image(self.model(images), images, self.pixel_scale)
