"""Leaving at a safe point: where work can be kept halfway, a signal to give it back waits until it can.

SIGINT (a person) and SIGUSR2 (a cluster) ask to give work back. SIGTERM asks for nothing but an end, and does not
wait.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from framework.errors import Interrupted

CAN_WAIT = (signal.SIGINT, signal.SIGUSR2)
HEARD = (*CAN_WAIT, signal.SIGTERM)


class _Waiting:
    """What waits in this process."""

    depth = 0
    number: int | None = None
    raised: int | None = None


def put_off(number: int) -> bool:
    """Whether a signal waits for the next safe point; it is remembered then."""
    if not _Waiting.depth or number not in CAN_WAIT:
        return False
    _Waiting.number = _Waiting.number or number
    return True


def interrupt(number: int, _frame: FrameType | None) -> None:
    """The handler of a process that works: put the signal off, or leave at once.

    Raises:
        Interrupted: the signal cannot wait.
    """
    if put_off(number):
        return
    for other in HEARD:
        signal.signal(other, signal.SIG_IGN)  # once is enough: the second would interrupt the clean-up
    _Waiting.raised = number
    raise Interrupted(number)


def raised() -> int | None:
    """The signal for which this process was to leave at once.

    Some libraries make an error of their own of what is raised within them: who meets one asks here what it was.
    """
    return _Waiting.raised


def listen() -> dict[int, Any]:
    """From now on this process hears the signals; what heard them before, by number."""
    _Waiting.raised = None
    return {number: signal.signal(number, interrupt) for number in HEARD}


@contextmanager
def listening() -> Iterator[None]:
    """Meanwhile this process hears the signals; elsewhere than in its main thread it cannot.

    Raises:
        Interrupted: in whatever is done meanwhile.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = listen()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def is_asked() -> bool:
    """Whether a signal waits."""
    return _Waiting.number is not None


def asked() -> int:
    """The number of the signal that waits; 0 for none."""
    return _Waiting.number or 0


@contextmanager
def at_safe_points() -> Iterator[None]:
    """Meanwhile signals that can wait do so; at the end at the latest they are obeyed.

    Raises:
        Interrupted: a signal came, and nobody has obeyed it.
    """
    _Waiting.depth += 1
    try:
        yield
    finally:
        _Waiting.depth -= 1
    if not _Waiting.depth:
        obey()


def obey() -> None:
    """Leave if a signal has asked for it; called at safe points.

    Raises:
        Interrupted: one has.
    """
    number, _Waiting.number = _Waiting.number, None
    if number is not None:
        raise Interrupted(number)
