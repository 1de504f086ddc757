"""The learning rate of each epoch."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning import Trainer

from framework.training.callbacks.epoch_log import Measure


class LearningRate(Measure):
    """`learning_rate` of the first optimiser's first group, as it was in the epoch's last step."""

    def __init__(self) -> None:
        self._rate = float("nan")

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Read it: when the epoch is over, a schedule has already set that of the next."""
        self._rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def state_dict(self) -> dict[str, Any]:
        """What was read last."""
        return {"rate": self._rate}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with that."""
        self._rate = state_dict["rate"]

    def epoch_metrics(self, trainer: Trainer) -> dict[str, float]:
        """The learning rate, without unit."""
        return {"learning_rate": self._rate}
