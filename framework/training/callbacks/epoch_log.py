"""One row per epoch: what every measuring callback has to say, logged together."""

from typing import TYPE_CHECKING

import pytorch_lightning as pl
from pytorch_lightning import Callback, Trainer

if TYPE_CHECKING:
    from framework.tracking.run import Run


class Measure(Callback):
    """A callback that measures something in each epoch, and changes nothing.

    Of several ranks that train one model, only the first one has it.
    """

    def epoch_metrics(self, trainer: Trainer) -> dict[str, float]:
        """The numbers of the epoch that has just ended, after its validation."""
        raise NotImplementedError


class EpochLog(Callback):
    """Logs `epoch` (counted from 1), `step` and all measures. Must stand last in the list of callbacks."""

    def __init__(self, run: "Run") -> None:
        self.run = run

    def on_train_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Gather and log the row."""
        row: dict[str, float] = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step}
        for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by Lightning at run time
            if isinstance(callback, Measure):
                row |= callback.epoch_metrics(trainer)
        self.run.log(row)
