"""What the steps measure, as means over the images of an epoch; and the guard against a loss that is no number."""

from collections import defaultdict
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from pytorch_lightning import Trainer
from torch import Tensor

from framework.errors import TrainingDiverged
from framework.training.callbacks.epoch_log import Measure
from framework.training.ranks import shares, world


class Judge(Protocol):
    """What says how good an epoch was."""

    val: float | None
    """The error on the val split, the smaller the better; None in an epoch in which it was not measured."""


class Losses(Measure):
    """`train/…` (in train mode, while the weights move) and `val/…` (in eval mode, after the epoch).

    They are what the steps return by name, one number an image (`framework.training.module`): of autoencoders
    `mse`, in intensity squared per pixel on [0, 1], of classifiers `cross_entropy`, in nats, and more. `val` is
    the mean of the one named `error`, None in an epoch without validation. All are means over the images of all
    ranks, and equal on each of them.
    """

    def __init__(self, error: str) -> None:
        self.error = error
        self.val: float | None = None
        self._train: defaultdict[str, list[Tensor]] = defaultdict(list)
        self._val: defaultdict[str, list[Tensor]] = defaultdict(list)
        self._epoch: dict[str, dict[str, float]] = {}

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

    def on_train_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """The means of the epoch, which the ranks find together."""
        self._epoch = {"train": _means(self._train), "val": _means(self._val)}

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
        self.val = _means(self._val)[self.error]

    def state_dict(self) -> dict[str, Any]:
        """What was measured in the epoch so far, by each rank; all of them ask at the same time."""
        kept = {
            split: {name: torch.cat(pieces).cpu() for name, pieces in measured.items() if pieces}
            for split, measured in (("train", self._train), ("val", self._val))
        }
        return {"mean": self.val, "ranks": world.gathered(kept)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with that: each rank with its own, or, where they were of another number, the first with all."""
        self.val = state_dict["mean"]
        parts = state_dict["ranks"]
        if len(parts) == world.size():
            parts = [parts[world.rank()]]
        elif not world.is_first():
            parts = []
        for split, measured in (("train", self._train), ("val", self._val)):
            measured.clear()
            for part in parts:
                for name, values in part[split].items():
                    measured[name].append(values)

    def epoch_metrics(self, trainer: Trainer) -> dict[str, float]:
        """The means over the train split, and over the val split where the epoch was validated."""
        return {f"{split}/{name}": mean for split, means in self._epoch.items() for name, mean in means.items()}


def _keep(outputs: dict[str, Tensor], measured: defaultdict[str, list[Tensor]]) -> None:
    if not shares.counts():
        return
    for name, values_B in outputs.items():
        if name != "loss":
            measured[name].append(values_B)


def _means(measured: dict[str, list[Tensor]]) -> dict[str, float]:
    """The mean of each measure over all images of all ranks, in float64."""
    joined = {
        name: torch.cat([piece.to(pieces[-1].device) for piece in pieces]).double()
        for name, pieces in measured.items()
        if pieces
    }
    if world.size() == 1:
        return {name: float(values.mean()) for name, values in joined.items()}
    parts = world.gathered({name: [float(values.sum()), len(values)] for name, values in joined.items()})
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: sum(part[name][0] for part in parts if name in part) / sum(p[name][1] for p in parts if name in p)
        for name in names
    }
