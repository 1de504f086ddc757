"""The forked child: works one piece of work, and says how it ended.

Runs in a fork of a warm parent, in a process group of its own. Whatever happens here ends this group and nothing
else; standard output and error go to a file that the parent ships to the run's log, temporary files to a folder
that the parent removes. SIGINT (a person) and SIGUSR2 (a cluster) ask the child to give its work back, SIGTERM to
end for good; all of them raise in it, at once or at the next safe point, so that what it holds is closed in order.
"""

import contextlib
import ctypes
import faulthandler
import json
import logging
import os
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from framework.errors import Interrupted, NotStarted
from framework.tracking import current, leaving, logs, workplace
from framework.tracking.current import open_runs
from launch import imports, memory

logger = logging.getLogger(__name__)
PR_SET_PDEATHSIG = 1
STOPPING = leaving.HEARD
HELD = (*STOPPING, signal.SIGALRM)
"""Signals whose handlers raise: those that stop, and the alarm that says so again."""
LOOK_S = 0.05
_reports: list[int] = []
"""In a child: the pipe to its parent."""
PIECE = 65536


@dataclass(frozen=True)
class Outcome:
    """How a child ended. `closed` tells whether its run is begun and ended; `error` is empty on success."""

    closed: bool
    error: str
    signal: int | None = None
    value: Any = None
    used: Mapping[str, float] = field(default_factory=dict, compare=False)
    """CPU seconds and peak memory as the system counted them for the process, with what it had waited for."""
    imported: tuple[str, ...] = field(default=(), compare=False)
    """The modules that the child found missing in its parent, see `imports.py`."""
    broke_off: bool = False
    """Whether its run was not begun because an answer of the tracker broke off: it may be begun once more."""

    @property
    def given_back(self) -> bool:
        """Whether the run was handed back because a signal asked for it."""
        return self.closed and self.signal in leaving.CAN_WAIT

    @property
    def exit_code(self) -> int:
        """What the run's exit code is: 0, 1, or 128 + signal."""
        if self.signal is not None:
            return 128 + self.signal
        return 1 if self.error else 0


class Child:
    """A running child process."""

    def __init__(self, work: Callable[[], Any], log: Path, scratch: Path | None = None) -> None:
        """Fork, and call `work` in the child, with its output going to `log`; it returns None or JSON data.

        `scratch`: where its temporary files go; made if it is new, and removed when the child has ended.
        """
        self.log = log
        self._scratch = scratch
        self._report, self._told = b"", False
        self._kills = memory.kills()
        self._begun, self._used = time.monotonic(), dict[str, float]()
        if scratch is not None:
            scratch.mkdir(parents=True, exist_ok=True)
        self._pipe, write_end = os.pipe()
        parent = os.getpid()
        with signals_held():
            self.pid = os.fork()
            if self.pid == 0:
                os.close(self._pipe)
                _run(work, log, scratch, write_end, parent)
            os.close(write_end)
        os.set_blocking(self._pipe, False)
        self._process = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else None

    def wait(self, timeout_s: float) -> Outcome | None:
        """The outcome, or None if the child still runs after `timeout_s`.

        It is the process that is waited for: its pipe can be held open by a process that it started.
        """
        end = time.monotonic() + timeout_s
        while True:
            status = self._ended(max(end - time.monotonic(), 0.0))
            if status is not None:
                return self._outcome(os.waitstatus_to_exitcode(status))
            if time.monotonic() >= end:
                return None

    def _ended(self, timeout_s: float) -> int | None:
        """The wait status, or None, then also before the time is over.

        The report is read meanwhile: a child cannot end before there is room for it in the pipe.
        """
        watched = (
            [] if self._process is None else [self._process]
        )  # without it, somebody must look again and again
        pause = timeout_s if watched else min(timeout_s, LOOK_S)
        select.select([*watched, *([] if self._told else [self._pipe])], [], [], pause)
        self._told = self._told or not self._read()  # at its end a pipe is always ready
        pid, status, told = os.wait4(self.pid, os.WNOHANG)
        if pid:
            self._used = {"seconds": round(time.monotonic() - self._begun, 3), **workplace.usage(told)}
        return status if pid else None

    def _read(self) -> bool:
        """Take in what the child has written; False at the end of the pipe."""
        try:
            while piece := os.read(self._pipe, PIECE):
                self._report += piece
        except BlockingIOError:
            return True
        return False

    def _outcome(self, code: int) -> Outcome:
        self._read()
        os.close(self._pipe)
        if self._process is not None:
            os.close(self._process)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # what it started and left behind
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
        if code < 0:
            error = f"killed by signal {-code} ({signal.Signals(-code).name})"
            if -code == signal.SIGKILL and memory.was_short(self._kills, self._used.get("peak_memory_mb", 0.0)):
                error += ": out of memory"
            return Outcome(False, error, -code, used=self._used)
        try:
            told = json.loads(self._report)
        except ValueError:
            return Outcome(False, f"exited with code {code} without ending its run", used=self._used)
        imported = tuple(map(str, told["imported"]))
        ended = Outcome(told["closed"], str(told["error"]), told["signal"], told["value"], self._used, imported)
        return replace(ended, broke_off=bool(told.get("broke_off")))

    def kill(self, number: signal.Signals) -> None:
        """Send a signal; a child that is already gone is no error."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


def _run(work: Callable[[], Any], log: Path, scratch: Path | None, report: int, parent: int) -> NoReturn:
    error, code, value, number, closed, broke_off = "", 0, None, None, True, False
    known = imports.loaded()
    try:
        open_runs.clear()
        current.shares_client = True
        _reports.append(report)
        os.setpgid(0, 0)  # Ctrl-C in the terminal is for the workers, who pass it on
        die_with(parent)
        leaving.listen()
        os.register_at_fork(after_in_child=_deafen)
        _redirect(log)
        logs.say_about(run=log.stem)
        if scratch is not None:
            os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
        value = work()
    except Interrupted as caught:
        error, code, number = str(caught), 128 + caught.number, caught.number
    except NotStarted as caught:
        traceback.print_exc()
        error, code, closed, broke_off = str(caught), 1, False, caught.broke_off
        if isinstance(caught.__cause__, Interrupted):
            number = caught.__cause__.number
    except BaseException as caught:
        number = leaving.raised()
        if number is not None:  # by way of a library that made an error of its own of it
            error, code = str(Interrupted(number)), 128 + number
        else:
            traceback.print_exc()
            logger.error("failed", exc_info=True)
            error = f"{type(caught).__name__}: {caught}" if str(caught) else type(caught).__name__
            code = 1
    finally:
        for stopping in STOPPING:
            signal.signal(stopping, signal.SIG_IGN)  # it is at its end already
        sys.stdout.flush()
        sys.stderr.flush()
        told = {"error": error, "value": value, "signal": number, "closed": closed and not open_runs}
        told |= {"imported": imports.late(known), "broke_off": broke_off}
        os.write(report, json.dumps(told).encode())
        # No exit handlers: they would tear down what the parent shares with its other children.
        os._exit(code)


def forget_parent() -> None:
    """In a fork of this child: what it has to say is not for the parent."""
    for report in _reports:
        os.close(report)
    _reports.clear()


def end_now(error: str) -> NoReturn:
    """End this child at once, from any of its threads; the parent closes its run as failed, with the error."""
    print(error, file=sys.stderr, flush=True)
    for report in _reports:
        told = {"error": error, "value": None, "signal": None, "closed": False, "imported": list[str]()}
        os.write(report, json.dumps(told).encode())
    os._exit(1)


def _deafen() -> None:
    """What the child forks (workers that load data) hears nothing: Slurm may signal every process of a job.

    It ends with the child, whose group is killed at its end.
    """
    for stopping in STOPPING:
        signal.signal(stopping, signal.SIG_IGN)


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
    """Signals that stop wait meanwhile: what a handler raises within a hook of `os.fork` would be lost."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


def die_with(parent: int) -> None:
    """End when the parent ends, however it ends: its points are handed out again, and must not be worked twice."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
