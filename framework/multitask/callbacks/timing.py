"""Where the time goes while several tasks are learnt: the table `timing`, as every training has it.

The phases are data, forward, backward, update and validation. A look at the cosine between gradients is part of
forward, weighing gradients part of backward, and whatever follows an epoch (losses on val, figures) of validation.
Members that are trained together bear equal shares of the time, so that what they sum to is what was spent.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from pytorch_lightning import Trainer

from framework.multitask.training.module import TaskTraining
from framework.multitask.training.states import BY_MEMBER
from framework.training.callbacks.timing import Timing, log_timing

if TYPE_CHECKING:
    from framework.tracking.run import Run

SECONDS, PEAKS = "seconds", "peak_mb"


class TaskTiming(Timing):
    """Logs it for each member's run. Must stand last in the list of callbacks."""

    def __init__(self, runs: Sequence["Run"]) -> None:
        super().__init__(runs[0])
        self._runs = tuple(runs)

    def on_train_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Let the learners tell which phase is over."""
        super().on_train_start(trainer, pl_module)
        if not isinstance(pl_module, TaskTraining):
            raise TypeError(f"TaskTiming follows a TaskTraining, not a {type(pl_module).__name__}")
        for learner in pl_module.all_learners:
            learner.phase_ends = self._close

    def on_train_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """What was looked at after the last batch."""
        self._close("validation")

    def on_fit_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Log the table of each run."""
        seconds = {phase: spent / len(self._runs) for phase, spent in self.seconds.items()}
        for run in self._runs:
            log_timing(run, seconds, [self._peak_so_far()])

    def state_dict(self) -> dict[str, Any]:
        """The share of each member."""
        members = len(self._runs)
        shares_P = torch.tensor(list(self.seconds.values()), dtype=torch.float64) / members
        peaks_K = torch.full((members,), self._peak_so_far(), dtype=torch.float64)
        return {BY_MEMBER: {SECONDS: shares_P.expand(members, -1).clone(), PEAKS: peaks_K}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the sum of the shares: the time between does not count."""
        kept = state_dict[BY_MEMBER]
        self.seconds = dict(zip(self.phases, kept[SECONDS].sum(dim=0).tolist(), strict=True))
        self._peak_mb = float(kept[PEAKS].max())
