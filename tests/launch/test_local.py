"""Events of workers on the terminal: shown as they are, and counted."""

import io

from rich.console import Console

from launch.local import Tally, _take_in

BRACKETS = "ValueError: [/] and [red] in [8, 8]"


def test_texts_with_brackets_are_shown_as_they_are():
    console = Console(file=io.StringIO(), width=200)
    tally = Tally()
    for event in (
        {"event": "ended", "name": "sizes=[a]", "error": BRACKETS},
        {"event": "made", "name": "model", "error": BRACKETS},
        {"event": "error", "message": BRACKETS},
        {"event": "away", "error": BRACKETS},
    ):
        _take_in(event, tally, console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert shown.count(BRACKETS) == 4
    assert "failed sizes=[a]" in shown
    assert tally.failed == [("sizes=[a]", BRACKETS)]


def test_what_ended_and_was_made_is_counted():
    tally, console = Tally(), Console(file=io.StringIO())
    for event in ({"event": "ended", "name": "a", "error": ""}, {"event": "made", "name": "m", "error": ""}):
        _take_in(event, tally, console)
    assert (tally.finished, tally.made, tally.failed) == (1, 1, [])
