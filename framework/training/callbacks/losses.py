"""What the steps measure, as means over the images of an epoch; and the guard against a loss that is no number."""

from collections import defaultdict
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning import Trainer
from torch import Tensor

from framework.errors import TrainingDiverged
from framework.training.callbacks.epoch_log import Measure


class Losses(Measure):
    """`train/…` (in train mode, while the weights move) and `val/…` (in eval mode, after the epoch).

    They are what the steps return by name, one number an image (`framework.training.module`): of autoencoders
    `mse`, in intensity squared per pixel on [0, 1], of classifiers `cross_entropy`, in nats, and more. `val` is
    the mean of the one named `error`, None in an epoch without validation.
    """

    def __init__(self, error: str) -> None:
        self.error = error
        self.val: float | None = None
        self._train: defaultdict[str, list[Tensor]] = defaultdict(list)
        self._val: defaultdict[str, list[Tensor]] = defaultdict(list)

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
        self.val = None
        self._train.clear()
        self._val.clear()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the numbers on their device: reading them here would wait for the GPU at every step."""
        _keep(outputs, self._train)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the last validation."""
        self._val.clear()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the numbers."""
        _keep(outputs, self._val)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """The mean error over the val split."""
        self.val = _mean(self._val[self.error])

    def epoch_metrics(self, trainer: Trainer) -> dict[str, float]:
        """The means over the train split, and over the val split where the epoch was validated."""
        return {
            f"{split}/{name}": _mean(pieces)
            for split, measured in (("train", self._train), ("val", self._val))
            for name, pieces in measured.items()
        }


def _keep(outputs: dict[str, Tensor], measured: defaultdict[str, list[Tensor]]) -> None:
    for name, values_B in outputs.items():
        if name != "loss":
            measured[name].append(values_B)


def _mean(pieces: list[Tensor]) -> float:
    return float(torch.cat(pieces).double().mean())
