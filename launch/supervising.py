"""The workers' parent: waits for them, and replaces one that was killed, whose run it gives back at once.

Without that a point whose worker died would wait for its lease to run out, and the sweep have one worker less. A
worker that ends by itself, whatever its exit code, has ended. Knows processes, not what they do.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from launch.child import STOPPING, signals_held

PR_SET_CHILD_SUBREAPER = 36
IN_A_ROW, TOO_SOON_S = 3, 10.0
"""A worker that dies so often, each time within so many seconds, is not replaced any more."""


@dataclass
class Workers:
    """The workers that are alive, by process id.

    Args:
        fork: Starts the worker with this index, and tells its process id.
        lost: Called with the index of a worker that was killed, once nothing of it lives any more.
    """

    fork: Callable[[int], int]
    lost: Callable[[int], None]
    _alive: dict[int, int] = field(default_factory=dict)
    _begun: dict[int, float] = field(default_factory=dict)
    _deaths: dict[int, int] = field(default_factory=dict)
    _stopping: bool = False

    def run(self, count: int) -> int:
        """Start so many workers and wait until all have ended; the largest exit code (of a kill 128 + signal)."""
        _adopt_orphans()
        with signals_held():
            for index in range(count):
                self._start(index)
            for number in STOPPING:
                signal.signal(number, self._pass_on)
        codes = [0]
        while self._alive:
            pid, status = os.wait()
            code = os.waitstatus_to_exitcode(status)
            with signals_held():
                if pid not in self._alive:  # something that a dead worker has left behind
                    continue
                index = self._alive.pop(pid)
                if code < 0 and self._is_replaced(index):
                    self._end_orphans()
                    self.lost(index)
                    self._start(index)
                else:
                    codes.append(code if code >= 0 else 128 - code)
        return max(codes)

    def _start(self, index: int) -> None:
        self._begun[index] = time.monotonic()
        self._alive[self.fork(index)] = index

    def _is_replaced(self, index: int) -> bool:
        soon = time.monotonic() - self._begun[index] < TOO_SOON_S
        self._deaths[index] = self._deaths.get(index, 0) + 1 if soon else 1
        return not self._stopping and self._deaths[index] < IN_A_ROW

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        for pid in self._alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _end_orphans(self) -> None:
        """End what a dead worker has left behind: its child, and its client, which would speak of the run."""
        for pid in _children():
            if pid not in self._alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _adopt_orphans() -> None:
    """Let the processes that a dead worker leaves behind become children of this one."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1)


def _children() -> list[int]:
    with contextlib.suppress(OSError):
        found = [task.read_text() for task in Path("/proc/self/task").glob("*/children")]
        return [int(pid) for text in found for pid in text.split()]
    return []
