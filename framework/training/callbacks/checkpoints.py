"""Initial, best and last weights, and those of every k-th epoch."""

import math
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning import Callback, Trainer

from framework.errors import SashikoError
from framework.training.callbacks.losses import Judge
from framework.training.checkpoints import save_checkpoint
from framework.training.starts import Kept


class Checkpoints(Callback):
    """Writes the weights of `module.model` to `folder`. Must stand after `losses` in the list of callbacks.

    The best weights go to disk in the epoch that reaches them: what is held in memory moves on with training. With
    `kept` best_and_last no others are written.
    """

    def __init__(self, folder: Path, losses: Judge, every: int | None, kept: Kept = "all") -> None:
        self.folder, self.losses = folder, losses
        self.every, self.keeps_all = every, kept == "all"
        self.best_val = math.inf
        self.best_epoch: int | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """The weights before the first step; of a training that goes on they are there."""
        if trainer.ckpt_path is None and self.keeps_all:
            self._save(pl_module, "initial")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """The weights after an epoch, if they are the best so far or their turn has come."""
        epoch = trainer.current_epoch + 1
        if self.losses.val is not None and self.losses.val < self.best_val:
            self.best_val, self.best_epoch = self.losses.val, epoch
            self._save(pl_module, "best")
        if self.every and self.keeps_all and epoch % self.every == 0:
            self._save(pl_module, f"epoch_{epoch:04d}")

    def on_fit_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """The weights after the last step.

        Raises:
            SashikoError: no epoch was validated, so that no weights are the best.
        """
        if self.best_epoch is None:
            raise SashikoError(
                "no epoch was validated, so there are no best weights: an option in `trainer` switches it off"
            )
        self._save(pl_module, "last")

    def state_dict(self) -> dict[str, Any]:
        """Which epoch is the best so far."""
        return {"best_val": self.best_val, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with that."""
        self.best_val, self.best_epoch = state_dict["best_val"], state_dict["best_epoch"]

    def _save(self, module: pl.LightningModule, name: str) -> None:
        save_checkpoint(module.get_submodule("model"), self.folder, name)
