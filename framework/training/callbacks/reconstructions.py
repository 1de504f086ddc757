"""Pictures of what a model gives back."""

from typing import TYPE_CHECKING

import pytorch_lightning as pl
from pytorch_lightning import Callback, Trainer

from framework.data.vision import Splits
from framework.report.figures import image_grid
from framework.training.callbacks.patience import is_last
from framework.training.evaluation import evaluating

if TYPE_CHECKING:
    from framework.tracking.run import Run


class Reconstructions(Callback):
    """Logs `reconstructions`: val images above their reconstructions, every `every` epochs and at the end."""

    def __init__(self, run: "Run", splits: Splits, every: int, count: int = 10) -> None:
        self.run, self.splits, self.every = run, splits, every
        self.images = splits.val.images[:count]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Log the picture where its turn has come, or the last epoch has."""
        epoch = trainer.current_epoch + 1
        if epoch % self.every == 0 or is_last(trainer):
            model = pl_module.get_submodule("model")
            with evaluating(model):
                reconstructed = model(self.images.to(pl_module.device)).cpu()
            rows = [self.splits.unit(images).numpy() for images in (self.images, reconstructed)]
            self.run.log_image(
                "reconstructions", image_grid(rows), f"epoch {epoch}: val images above, reconstructions below"
            )
