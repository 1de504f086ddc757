"""How long a job of a cluster still has, and whether another point fits into that."""

import os
import statistics
import time
from dataclasses import dataclass, field

from framework.errors import ClusterError

EARLY_S = 60.0
"""Slurm looks at its jobs once a minute, and may give a warning so much earlier than it was asked to."""
LEAVES = 75
"""The exit code of workers that left because another point would not fit; a shell's `EX_TEMPFAIL`."""


@dataclass
class Walltime:
    """The time of one job, on the clock of this machine; `end` is None where it has no end, or there is no job.

    It ends when Slurm may tell the job to leave, at the earliest.
    """

    end: float | None
    whole_s: float = 0.0
    durations: list[float] = field(default_factory=list)

    def add(self, seconds: float) -> None:
        """A point took so long."""
        self.durations.append(seconds)

    def too_short(self) -> str:
        """Why another point is not begun, in words; nothing if it may be.

        Points that take longer than a whole job are begun: they go on where they were left.
        """
        if self.end is None or not self.durations:
            return ""
        typical_s, left_s = statistics.median(self.durations), self.end - time.monotonic()
        if typical_s <= left_s or typical_s > self.whole_s:
            return ""
        return f"{left_s:.0f} s are left to the job, and a point takes {typical_s:.0f} s"


def of_job() -> Walltime:
    """The time of the job that this process is part of."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return Walltime(None)
    from launch import slurm

    try:
        told = slurm.call("squeue", "--noheader", "--jobs", job, "--format=%L|%l").strip()
    except ClusterError:
        return Walltime(None)
    left, _, limit = told.partition("|")
    whole_s = float(slurm.seconds_of(limit))
    if not whole_s:  # unlimited, or not told
        return Walltime(None)
    warning_s = float(os.environ.get(slurm.WARNING) or 0.0) + EARLY_S
    end = time.monotonic() + slurm.seconds_of(left) - warning_s
    return Walltime(end, whole_s - warning_s)
