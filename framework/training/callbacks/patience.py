"""The end of a training that gets no better."""

import math
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning import Callback, Trainer

from framework.training.callbacks.losses import Judge


class Patience(Callback):
    """Stops after `epochs` epochs without a smaller val error. Must stand after `losses` in the list of callbacks.

    It must stand before those that do something at the end: they read `trainer.should_stop` in the last epoch. The
    trainer's `min_epochs` pass first.
    """

    def __init__(self, losses: Judge, epochs: int) -> None:
        self.losses, self.epochs = losses, epochs
        self.best_val, self.best_epoch = math.inf, 0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Stop, unless the epoch is better or was not validated."""
        epoch = trainer.current_epoch + 1
        if self.losses.val is None:
            return
        if self.losses.val < self.best_val:
            self.best_val, self.best_epoch = self.losses.val, epoch
        elif epoch - self.best_epoch >= self.epochs and epoch >= (trainer.min_epochs or 0):
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Which epoch is the best so far."""
        return {"best_val": self.best_val, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with that."""
        self.best_val, self.best_epoch = state_dict["best_val"], state_dict["best_epoch"]


def is_last(trainer: Trainer) -> bool:
    """Whether the epoch that is ending is the last one."""
    return trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
