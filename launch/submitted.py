"""What a Slurm job is made of: one plain command, and what becomes of it when the job is told to leave.

submitit loads this object on the node, calls it, and asks it to `checkpoint` when the time is nearly over or the
job is preempted (USR2); then it queues the job again. This module imports nothing heavy: a job begins with it.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

from submitit.helpers import DelayedSubmission

from launch.walltime import LEAVES

LOOK_S = 0.1
CALL_S = 10.0
JOB_ID = "SLURM_JOB_ID"
LEAVES_S = 100.0
"""How long the command may take to give back what it holds. It ends by itself in less than that."""


class Command:
    """A command, as the only thing that a job's file holds."""

    def __init__(self, words: Sequence[str], *, requeue: bool) -> None:
        self.words = list(words)
        self.requeue = requeue

    def __call__(self) -> int:
        """Run the command to its end, with its output in the job's log; the code with which it ended."""
        self._process = subprocess.Popen(self.words)
        # submitit ignores TERM, which is how Slurm ends a job that was cancelled or preempted.
        signal.signal(signal.SIGTERM, self._leave)
        while self._process.poll() is None:  # a `wait` here would block one within the handler of a signal
            time.sleep(LOOK_S)
        code = self._process.returncode
        if code == LEAVES and self.requeue:
            _queue_again()
        if code:
            sys.exit(code if code > 0 else 128 - code)
        return 0

    def checkpoint(self) -> DelayedSubmission | None:
        """Have the command give back what it holds; what is to be queued again, None for nothing."""
        self._tell(signal.SIGUSR2)
        return DelayedSubmission(self) if self.requeue else None

    def _leave(self, number: int, _frame: FrameType | None) -> None:
        """Some clusters preempt with SIGTERM alone, and cancel the job: it queues itself again then."""
        self._tell(signal.SIGTERM)
        if self.requeue and _is_preempted():
            _queue_again()

    def _tell(self, number: int) -> None:
        """Pass a signal on, and wait until the command has ended; if it does not, it is killed."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        end = time.monotonic() + LEAVES_S
        while self._process.poll() is None and time.monotonic() < end:
            time.sleep(LOOK_S)
        if self._process.poll() is None:
            self._process.kill()

    def __getstate__(self) -> dict[str, object]:
        """Only the words travel; the process does not."""
        return {"words": self.words, "requeue": self.requeue}


def _queue_again() -> None:
    subprocess.run(["scontrol", "requeue", os.environ[JOB_ID]], check=False, timeout=CALL_S)


def _is_preempted() -> bool:
    """Whether another job wants its place: a job that somebody cancels is told to leave the same way."""
    try:
        told = subprocess.run(
            ["scontrol", "show", "job", os.environ[JOB_ID]],
            capture_output=True,
            text=True,
            check=True,
            timeout=CALL_S,
        )
    except (KeyError, OSError, subprocess.SubprocessError):
        return False
    return re.search(r"\bPreemptTime=\d", told.stdout) is not None
