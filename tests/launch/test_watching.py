"""A sweep that is watched: drawn in place on a terminal, in lines elsewhere; a tracker that is away returns."""

import io
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.console import Console

from framework.errors import TrackerAway, TrackerError
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch import watching
from launch.overview import Overview
from tests.launch.test_status import overview

TRACKER, PATH = Tracker("http://h", "k"), SweepPath("me", "lab", "abc")
RUNNING = overview(failures=[], workers=[], waiting=[], end=None, points={"running": 1})
OTHER = replace(RUNNING, points={"finished": 1})
OVER = replace(OTHER, state="FINISHED")


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    file = io.StringIO()
    monkeypatch.setattr(
        watching, "Console", lambda **more: Console(file=file, force_terminal=True, width=80, color_system=None)
    )
    return file


def looks(monkeypatch: pytest.MonkeyPatch, *found: Overview | BaseException) -> Iterator[Overview]:
    """What each look sees; the time between them is none."""
    left = iter(found)

    def read(tracker: Tracker, path: SweepPath) -> Overview:
        seen = next(left)
        if isinstance(seen, BaseException):
            raise seen
        return seen

    monkeypatch.setattr(watching, "read", read)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return left  # type: ignore[return-value]


def test_it_is_drawn_until_it_is_over(monkeypatch: pytest.MonkeyPatch, screen: io.StringIO):
    left = looks(monkeypatch, RUNNING, TrackerAway("nobody answers"), OTHER, OVER, OVER)
    assert watching.watch(TRACKER, PATH, 5.0) is OVER
    assert len(list(left)) == 1, "no look more than needed"
    said = screen.getvalue()
    assert said.count("every 5 s; leave with Ctrl-C") == 3
    assert "nobody answers" in said
    assert said.endswith("9 points: 1 finished\n\x1b[?25h"), "the last look stays, and the cursor is shown again"


def test_ctrl_c_ends_it_without_an_error(monkeypatch: pytest.MonkeyPatch, screen: io.StringIO):
    looks(monkeypatch, RUNNING, KeyboardInterrupt())
    assert watching.watch(TRACKER, PATH, 5.0) is None
    assert screen.getvalue().endswith("\x1b[?25h"), "the cursor is shown again"


def test_elsewhere_a_line_is_told_when_something_changes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    looks(monkeypatch, RUNNING, RUNNING, TrackerAway("x"), OTHER, OTHER, OVER)
    assert watching.watch(TRACKER, PATH, 5.0) is OVER
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["1 running", "1 finished"]


def test_each_change_is_given_to_whoever_wants_it(monkeypatch: pytest.MonkeyPatch):
    looks(monkeypatch, RUNNING, RUNNING, OVER)
    given: list[Overview] = []
    watching.watch(TRACKER, PATH, 5.0, given.append)
    assert given == [RUNNING, OVER]


def test_a_sweep_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch):
    looks(monkeypatch, TrackerError("has no sweep"))
    with pytest.raises(TrackerError):
        watching.watch(TRACKER, PATH, 5.0)
