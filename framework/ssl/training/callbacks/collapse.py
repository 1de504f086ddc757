"""The warning that all projections come to lie at one place: `framework.ssl.diagnostics.collapse` says when."""

import sys
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
from pytorch_lightning import Trainer

from framework.data.vision import Splits
from framework.errors import TrainingDiverged
from framework.ssl.diagnostics.collapse import THRESHOLD, collapse
from framework.ssl.training.plain import Plain
from framework.training.callbacks.epoch_log import Measure
from framework.training.callbacks.patience import is_last
from framework.training.ranks import world

if TYPE_CHECKING:
    from framework.tracking.run import Run

IMAGES = 256


class Collapse(Measure):
    """`collapse/spread`: the mean standard deviation of normalised projections of val images, relative to 1/√d.

    It is of images as they are; `diagnostics/projections/spread` (`diagnosis.py`) is the same of distorted views.

    Where it is below a tenth and does not grow from one look to the next, or is so at the end, it is told, once;
    with `stop` the run then ends. The first epoch in which it was so is
    `collapsed_epoch` in the summary. Every rank has it and is told what the first one finds.
    """

    def __init__(self, run: "Run", splits: Splits, plain: Plain, every: int, *, stop: bool) -> None:
        self.run, self.plain, self.every, self.stop = run, plain, every, stop
        self.images = splits.val.images[:IMAGES]
        self.spread: float | None = None
        self.before: float | None = None
        self.epoch: int | None = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Look, where its turn has come.

        Raises:
            TrainingDiverged: it is to stop then, and projections have collapsed.
        """
        epoch = trainer.current_epoch + 1
        self.before, self.spread = self.spread or self.before, None
        if epoch % self.every and not is_last(trainer):
            return
        method: Any = pl_module.get_submodule("model")
        if world.is_first():
            self.spread = collapse(self.plain.encoded(method, self.images, pl_module.device).projections).ratio
        self.spread = world.of_first(self.spread)
        if not self._has_collapsed(is_last(trainer)):
            return
        told = (
            f"the projections have collapsed at step {trainer.global_step} (epoch {epoch}): normalised, they "
            f"spread by {self.spread:.2g} of 1/sqrt(d), {THRESHOLD:g} is the least"
        )
        if self.stop:
            raise TrainingDiverged(
                f"{told}; lower learning_rate, keep method.stop_gradient and method.predictor, or set "
                "stop_on_collapse=false to go on"
            )
        if self.epoch is None and world.is_first():
            print(f"warning: {told}", file=sys.stderr)
        self.epoch = self.epoch or epoch

    def _has_collapsed(self, at_end: bool) -> bool:
        """A network that has just begun may have all outputs on one side, and grow out of it."""
        if self.spread is None or self.spread >= THRESHOLD:
            return False
        return at_end or (self.before is not None and self.spread <= self.before)

    def on_fit_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Say since when."""
        if world.is_first():
            self.run.summarise({"collapsed_epoch": self.epoch})

    def state_dict(self) -> dict[str, Any]:
        """What was found so far."""
        return {"spread": self.spread, "before": self.before, "epoch": self.epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with that."""
        self.spread, self.before, self.epoch = (state_dict[name] for name in ("spread", "before", "epoch"))

    def epoch_metrics(self, trainer: Trainer) -> dict[str, float]:
        """The spread of this epoch."""
        return {} if self.spread is None else {"collapse/spread": self.spread}
