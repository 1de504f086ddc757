"""A row of the history for each logged epoch and member: the tasks' losses, and how far their gradients agree.

`train/loss_<task>`        mean over the epoch's samples, while the weights move
`val/loss_<task>`          mean over the val split, after the epoch; squared error, whatever the criterion
`train/gradient_cosine`    mean cosine between the gradients of two tasks, at the first batch of the epoch
`learning_rate`            the largest of the tasks' rates

A sample's loss is summed over the outputs that its task sees. Shapes: K members.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor

from framework.multitask.data.samples import TaskSamples
from framework.multitask.training.module import TaskTraining, losses_of
from framework.multitask.training.states import BY_MEMBER

if TYPE_CHECKING:
    from framework.tracking.run import Run


COSINE = "train/gradient_cosine"


def is_logged(epoch: int, every: int, last: int) -> bool:
    """Whether an epoch, counted from 1, is the first, the last, or one of each `every`."""
    return epoch in (1, last) or epoch % every == 0


class TaskLosses(Callback):
    """Logs a row for each member's run."""

    def __init__(self, runs: Sequence["Run"], samples: Sequence[Mapping[str, TaskSamples]], every: int) -> None:
        """`samples`: of each member; their val splits are alike."""
        self._runs, self._val, self._every = tuple(runs), samples[0], every
        self._sums: dict[str, Tensor] = {}
        self._cosines: Tensor | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the last epoch, and look at cosines in one that is logged."""
        module = _typed(pl_module)
        self._sums, self._cosines, module.cosines = {}, None, None
        module.looks_at_cosines = self._is_logged(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add up."""
        module = _typed(pl_module)
        self._cosines = module.cosines if batch_idx == 0 else self._cosines
        for kind, found in (("errors", module.errors), ("numbers", module.numbers)):
            for name, values_K in found.items():
                key = f"{kind}/{name}"
                self._sums[key] = self._sums[key] + values_K if key in self._sums else values_K.double()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Log the rows."""
        if not self._is_logged(trainer):
            return
        module = _typed(pl_module)
        names = [name for learner in module.all_learners for name in learner.names]
        columns = {
            f"train/loss_{name}": self._sums[f"errors/{name}"] / self._sums[f"numbers/{name}"] for name in names
        }
        columns |= {f"val/loss_{name}": loss for name, loss in losses_of(module, self._val).items()}
        if self._cosines is not None:
            columns[COSINE] = self._cosines
        epoch = trainer.current_epoch
        rates = torch.stack([learner.rates(epoch).step for learner in module.all_learners]).amax(dim=0)
        columns["learning_rate"] = rates
        values = {key: column.double().cpu().tolist() for key, column in columns.items()}
        about = {"epoch": epoch + 1, "step": trainer.fit_loop.total_batch_idx + 1}
        for number, run in enumerate(self._runs):
            if number in module.diverged:  # alone, it would have ended
                continue
            run.log({**about, **{key: column[number] for key, column in values.items()}})

    def _is_logged(self, trainer: Trainer) -> bool:
        return is_logged(trainer.current_epoch + 1, self._every, trainer.max_epochs or 1)

    def state_dict(self) -> dict[str, Any]:
        """What was added up, and looked at, in the epoch so far."""
        cosines = {} if self._cosines is None else {COSINE: self._cosines}
        return {BY_MEMBER: {key: values.cpu() for key, values in {**self._sums, **cosines}.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with that."""
        self._sums = dict(state_dict[BY_MEMBER])
        self._cosines = self._sums.pop(COSINE, None)


def _typed(module: pl.LightningModule) -> TaskTraining:
    if not isinstance(module, TaskTraining):
        raise TypeError(f"TaskLosses follows a TaskTraining, not a {type(module).__name__}")
    return module
