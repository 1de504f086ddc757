"""A wish to stop, also where a library makes an error of its own of what is raised within it."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from framework.errors import Interrupted
from launch import crew, stopping
from launch.child import HELD
from launch.stopping import Stop, told_as_stop


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(stopping, "_wish", stopping._Wish())
    before = {number: signal.getsignal(number) for number in HELD}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


def library(number: int) -> None:
    """What pydantic does where a signal comes while it builds a schema."""
    try:
        os.kill(os.getpid(), number)
        time.sleep(5)
    except BaseException as error:
        raise ValueError("a schema could not be built") from error


def workers_are_begun(number: int) -> None:
    with crew._interruptible():
        library(number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_there_are_workers(number: signal.Signals) -> None:
    with pytest.raises(Interrupted) as caught:
        workers_are_begun(number)
    assert caught.value.number == number


def test_an_error_without_a_signal_is_that_error() -> None:
    with pytest.raises(ZeroDivisionError), crew._interruptible():
        _ = 1 / 0
    with pytest.raises(ZeroDivisionError), told_as_stop():
        _ = 1 / 0


def test_in_a_worker() -> None:
    signal.signal(signal.SIGINT, stopping.stop)
    with pytest.raises(Stop) as caught, told_as_stop():
        library(signal.SIGINT)
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert caught.value.number == signal.SIGINT
    assert isinstance(caught.value.__cause__, ValueError)
