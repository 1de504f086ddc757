"""Train and val error of each epoch, as means over images; and the guard against a loss that is no number."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning import Trainer
from torch import Tensor

from framework.errors import TrainingDiverged
from framework.training.callbacks.epoch_log import Measure


class Losses(Measure):
    """`train/mse` (in train mode, while the weights move) and `val/mse` (in eval mode, after the epoch).

    Unit: intensity squared per pixel, on [0, 1]. `val` is None in an epoch without validation.
    """

    def __init__(self) -> None:
        self.train = float("nan")
        self.val: float | None = None
        self._train_errors: list[Tensor] = []
        self._val_errors: list[Tensor] = []

    def on_before_backward(self, trainer: Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Stop a run that has diverged before it writes worthless weights.

        Raises:
            TrainingDiverged: the loss is NaN or infinite; the message gives the step, counted from 0.
        """
        if not torch.isfinite(loss):
            kind = "nan" if torch.isnan(loss) else "infinite"
            raise TrainingDiverged(
                f"{kind} loss at step {trainer.global_step} (epoch {trainer.current_epoch + 1}): "
                "lower learning_rate, or set trainer.gradient_clip_val"
            )

    def on_train_epoch_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the last epoch."""
        self._train_errors, self.val = [], None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the errors on their device: reading them here would wait for the GPU at every step."""
        self._train_errors.append(outputs["errors"])

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the last validation."""
        self._val_errors = []

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the errors."""
        self._val_errors.append(outputs["errors"])

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """The mean over the val split."""
        self.val = float(torch.cat(self._val_errors).double().mean())

    def epoch_metrics(self, trainer: Trainer) -> dict[str, float]:
        """`train/mse`, and `val/mse` where the epoch was validated."""
        self.train = float(torch.cat(self._train_errors).double().mean())
        return {"train/mse": self.train} | ({} if self.val is None else {"val/mse": self.val})
