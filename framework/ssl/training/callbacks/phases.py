"""Where the time of self-supervised training goes: views and looks at the val split are phases of their own."""

from typing import ClassVar

import pytorch_lightning as pl
from pytorch_lightning import Trainer
from torch import Tensor

from framework.ssl.training.module import SelfSupervised
from framework.training.callbacks.timing import PHASES, Timing


class Phases(Timing):
    """`Timing` with two more phases. Must stand before the callbacks that look at the val split.

    `transform` is what views take on the training thread; where workers make them it is next to nothing, and what
    the training waits for them is in `data`. `evaluation` is all that callbacks do after an epoch.
    """

    phases: ClassVar[tuple[str, ...]] = (*PHASES, "transform", "evaluation")
    _transformed = 0.0

    def on_before_backward(self, trainer: Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """The loss is there: what its views have taken is no part of the forward pass."""
        super().on_before_backward(trainer, pl_module, loss)
        if isinstance(pl_module, SelfSupervised):
            taken = pl_module.transform_s - self._transformed
            self.seconds["transform"] += taken
            self.seconds["forward"] -= taken
            self._transformed = pl_module.transform_s

    def on_fit_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Of a training that goes on, what is counted already stays counted once."""
        if isinstance(pl_module, SelfSupervised):
            self._transformed = pl_module.transform_s

    def on_train_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """The looks at the val split begin."""
        self._close("update")

    def epoch_metrics(self, trainer: Trainer) -> dict[str, float]:
        """Seconds that the epoch took, with all that was looked at."""
        self._close("evaluation")
        return super().epoch_metrics(trainer)
