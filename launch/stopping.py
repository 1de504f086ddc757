"""How a worker is asked to stop: a signal raises in it, as soon as what it does may be cut short."""

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from framework.tracking.states import INTERRUPTED_CODE, PREEMPTED_CODE
from launch.child import STOPPING

AGAIN_S = 0.5
LAST_S = 90.0
"""How long a worker that was asked to stop may take: whatever it waits for then, the system ends it."""


class Stop(Exception):
    """A signal asked the worker to end."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)

    @property
    def passed_on(self) -> signal.Signals:
        """What the child is told: a person wants it to give back its run, or a cluster does."""
        return signal.SIGINT if self.number == signal.SIGINT else signal.SIGUSR2

    @property
    def exit_code(self) -> int:
        """The exit code of a run that is given back."""
        return INTERRUPTED_CODE if self.number == signal.SIGINT else PREEMPTED_CODE


def stop(number: int, _frame: FrameType | None) -> None:
    """Ask the worker to stop: again and again until it has heard.

    An exception out of a handler is lost where it comes within a destructor or a hook.
    """
    for other in STOPPING:
        signal.signal(other, signal.SIG_IGN)  # the second would interrupt the clean-up
    signal.signal(signal.SIGALRM, lambda *_: _raise_stop(number))
    if _wish.holds:
        _wish.number = number
    else:
        _raise_stop(number)


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """A signal that comes meanwhile is heard at the end, whichever thread of this process the system tells.

    Raises:
        Stop: one came.
    """
    _wish.holds = True
    try:
        yield
    finally:
        _wish.holds, number, _wish.number = False, _wish.number, None
        if number is not None:
            _raise_stop(number)


@dataclass
class _Wish:
    """Whether a wish to stop is put off, and which one came meanwhile."""

    holds: bool = False
    number: int | None = None
    raised: int | None = None


_wish = _Wish()


def _raise_stop(number: int) -> NoReturn:
    signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
    _wish.raised = number
    raise Stop(number)


@contextlib.contextmanager
def told_as_stop() -> Iterator[None]:
    """What a library makes of a wish to stop that was raised within it is that wish.

    Raises:
        Stop: instead of an error that came after one.
    """
    try:
        yield
    except Stop:
        raise
    except Exception as error:
        if _wish.raised is None:
            raise
        raise Stop(_wish.raised) from error


def settle(last_s: float = LAST_S) -> None:
    """The worker has heard. What it has still to do it does within `last_s`, or is killed by its alarm."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, last_s)
