"""The forked child: works one point, or makes one artifact, and says how it ended.

Runs in a fork of a warm parent. Whatever happens here ends this process and nothing else; standard output and
error go to a file that the parent ships to the run's log.
"""

import contextlib
import ctypes
import faulthandler
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1
STOPPING = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Outcome:
    """How a child ended. `closed` tells whether it ended its own run; `error` is empty on success."""

    closed: bool
    error: str
    signal: int | None = None
    value: Any = None

    @property
    def exit_code(self) -> int:
        """What the run's exit code is: 0, 1, or 128 + signal."""
        if self.signal is not None:
            return 128 + self.signal
        return 1 if self.error else 0


class Child:
    """A running child process."""

    def __init__(self, work: Callable[[], Any], log: Path) -> None:
        """Fork, and call `work` in the child, with its output going to `log`; it returns None or JSON data."""
        self.log = log
        read_end, write_end = os.pipe()
        parent = os.getpid()
        with signals_held():
            self.pid = os.fork()
            if self.pid == 0:
                os.close(read_end)
                _run(work, log, write_end, parent)
            os.close(write_end)
            self._pipe = read_end

    def wait(self, timeout_s: float) -> Outcome | None:
        """The outcome, or None if the child still runs after `timeout_s`."""
        ready, _, _ = select.select([self._pipe], [], [], timeout_s)
        if not ready:
            return None
        # End of file or a report: either way the child is at its end, or soon will be.
        with os.fdopen(self._pipe, "rb") as pipe:
            report = pipe.read()
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            name = signal.Signals(-code).name
            return Outcome(False, f"killed by signal {-code} ({name})", -code)
        if report:
            told = json.loads(report)
            return Outcome(True, str(told["error"]), value=told["value"])
        return Outcome(False, f"exited with code {code} without ending its run")

    def kill(self, number: signal.Signals) -> None:
        """Send a signal; a child that is already gone is no error."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


def _run(work: Callable[[], Any], log: Path, report: int, parent: int) -> NoReturn:
    error, code, value = "", 0, None
    try:
        die_with(parent)
        for number in STOPPING:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        _redirect(log)
        value = work()
    except BaseException as caught:
        traceback.print_exc()
        error = f"{type(caught).__name__}: {caught}" if str(caught) else type(caught).__name__
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(report, json.dumps({"error": error, "value": value}).encode())
        # No exit handlers: they would tear down what the parent shares with its other children.
        os._exit(code)


def _redirect(log: Path) -> None:
    """Send output to the file on the level of descriptors, so that crashes of C code are in it too."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    faulthandler.enable(file=sys.stderr)


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """SIGINT and SIGTERM wait meanwhile: what a handler raises within a hook of `os.fork` would be lost."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def die_with(parent: int) -> None:
    """End when the parent ends, however it ends: its points are handed out again, and must not be worked twice."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
