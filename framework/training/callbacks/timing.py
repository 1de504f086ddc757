"""Where the time goes, and how much memory it takes."""

import resource
import sys
import time
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning import Trainer
from torch import Tensor

from framework.training.callbacks.epoch_log import Measure

if TYPE_CHECKING:
    from framework.tracking.run import Run

PHASES = ("data", "forward", "backward", "update", "validation")


class Timing(Measure):
    """Seconds per epoch; at the end the table `timing` with the minutes of each phase, and the peak memory.

    On a GPU the phases are what the host spends: it hands work over and goes on, and the phase in which it waits
    bears the cost. Their sum is right. Peak memory is what torch allocated on the GPU, or the largest resident
    set of the process.
    """

    phases: ClassVar[tuple[str, ...]] = PHASES

    def __init__(self, run: "Run") -> None:
        self.run = run
        self.seconds = dict.fromkeys(self.phases, 0.0)
        self._mark = self._epoch_start = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """The clock of the epoch."""
        self._mark = self._epoch_start = time.perf_counter()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """The batch is there."""
        self._close("data")

    def on_before_backward(self, trainer: Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """The loss is there."""
        self._close("forward")

    def on_after_backward(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """The gradients are there."""
        self._close("backward")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The weights have moved."""
        self._close("update")

    def on_validation_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Validation begins."""
        self._mark = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Validation is over."""
        self._close("validation")

    def epoch_metrics(self, trainer: Trainer) -> dict[str, float]:
        """Seconds that the epoch took, its validation included."""
        return {"time/epoch_s": time.perf_counter() - self._epoch_start}

    def on_fit_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Log the table and the peak."""
        minutes = [self.seconds[phase] / 60 for phase in self.phases]
        self.run.log_table("timing", pd.DataFrame({"phase": self.phases, "minutes": minutes}))
        totals = {f"time/{phase}_min": value for phase, value in zip(self.phases, minutes, strict=True)}
        self.run.summarise({**totals, "memory/peak_mb": peak_memory_mb(pl_module.device)})

    def state_dict(self) -> dict[str, Any]:
        """The seconds so far, and how long the epoch has taken."""
        return {"seconds": dict(self.seconds), "epoch_s": time.perf_counter() - self._epoch_start}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with that: the time between does not count."""
        self.seconds = dict(state_dict["seconds"])
        self._mark = time.perf_counter()
        self._epoch_start = self._mark - state_dict["epoch_s"]

    def _close(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[phase] += now - self._mark
        self._mark = now


def peak_memory_mb(device: torch.device) -> float:
    """The most memory that was in use so far, in megabytes (10^6 bytes): on the GPU, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6  # macOS counts bytes, Linux KiB
