"""Where the time goes, and how much memory it takes: one table `timing`.

    phase      minutes   share   peak_memory_mb
    data           0.1    0.05                     a row a phase; `share` is that of the total, in [0, 1]
    total          2.0    1.00            412.5    the sum, and the peak of the process
    rank_1                                398.0    of several ranks, the peak of each further one

A training that was left and goes on adds up: what was spent between counts nowhere, and nothing twice. The peak is
the largest of all attempts, of further ranks that of the last one.
"""

import math
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor

from framework.training.callbacks.epoch_log import Measure
from framework.training.ranks import world

if TYPE_CHECKING:
    from framework.tracking.run import Run

PHASES = ("data", "forward", "backward", "update", "validation")


class Timing(Measure):
    """Seconds per epoch; at the end the table `timing`. On ranks but the first `PeakMemory` stands in its place.

    On a GPU the phases are what the host spends: it hands work over and goes on, and the phase in which it waits
    bears the cost. Their sum is right. Peak memory is what torch allocated on the GPU, or the largest resident
    set of the process.
    """

    phases: ClassVar[tuple[str, ...]] = PHASES

    def __init__(self, run: "Run") -> None:
        self.run = run
        self.seconds = dict.fromkeys(self.phases, 0.0)
        self._peak_mb = 0.0
        self._device = torch.device("cpu")
        self._mark = self._epoch_start = time.perf_counter()

    def on_train_start(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Whose memory is looked at."""
        self._device = pl_module.device

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
        log_timing(self.run, self.seconds, world.gathered(self._peak_so_far()))

    def state_dict(self) -> dict[str, Any]:
        """The seconds and the peak so far, and how long the epoch has taken."""
        kept = {"seconds": dict(self.seconds), "peak_mb": self._peak_so_far()}
        return {**kept, "epoch_s": time.perf_counter() - self._epoch_start}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with that: the time between does not count."""
        self.seconds, self._peak_mb = dict(state_dict["seconds"]), state_dict["peak_mb"]
        self._mark = time.perf_counter()
        self._epoch_start = self._mark - state_dict["epoch_s"]

    def _peak_so_far(self) -> float:
        return max(self._peak_mb, peak_memory_mb(self._device))

    def _close(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[phase] += now - self._mark
        self._mark = now


class PeakMemory(Callback):
    """What a rank but the first tells of its memory, when the first one logs its `Timing`."""

    def on_fit_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Tell it."""
        world.gathered(peak_memory_mb(pl_module.device))


def log_timing(run: "Run", seconds: Mapping[str, float], peaks_mb: Sequence[float]) -> None:
    """Log the table, and its numbers as summary: `time/<phase>_min`, `memory/peak_mb` (of the first process)."""
    minutes = {phase: spent / 60 for phase, spent in seconds.items()}
    total = sum(minutes.values())
    rows = [(phase, spent, spent / total if total else math.nan, math.nan) for phase, spent in minutes.items()]
    rows.append(("total", total, 1.0, peaks_mb[0]))
    rows += [(f"rank_{rank}", math.nan, math.nan, peak) for rank, peak in enumerate(peaks_mb[1:], start=1)]
    run.log_table("timing", pd.DataFrame(rows, columns=["phase", "minutes", "share", "peak_memory_mb"]))
    totals = {f"time/{phase}_min": spent for phase, spent in minutes.items()}
    run.summarise({**totals, "memory/peak_mb": peaks_mb[0]})


def peak_memory_mb(device: torch.device) -> float:
    """The most memory that was in use so far, in megabytes (10^6 bytes): on the GPU, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6  # macOS counts bytes, Linux KiB
