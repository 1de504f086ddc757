"""sashiko status --watch: a sweep looked at again and again, drawn in place on a terminal, in lines elsewhere."""

import time
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live

from framework.errors import TrackerAway
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch import status
from launch.overview import Overview, read
from launch.telling import Answer


def watch(tracker: Tracker, path: SweepPath, every_s: float, answer: Answer | None = None) -> Overview | None:
    """Look every so many seconds until the sweep is over; the last look, or None where Ctrl-C ended it.

    A tracker that is away meanwhile is waited for. With `answer` each change is given to it.

    Raises:
        TrackerError: there is no such sweep.
    """
    console = Console(highlight=False)
    try:
        if answer is None and console.is_terminal:
            return _drawn(tracker, path, every_s, console)
        return _told(tracker, path, every_s, answer or (lambda overview: _print(overview, console)))
    except KeyboardInterrupt:
        return None


def _drawn(tracker: Tracker, path: SweepPath, every_s: float, console: Console) -> Overview:
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        found = read(tracker, path)
        while True:
            told = [*status.parts(found), status.note(f"every {every_s:g} s; leave with Ctrl-C")]
            live.update(Group(*(told[:-1] if found.is_over else told)), refresh=True)
            if found.is_over:
                return found
            time.sleep(every_s)
            try:
                found = read(tracker, path)
            except TrackerAway as error:
                live.update(Group(*told[:-1], status.note(str(error))), refresh=True)


def _told(tracker: Tracker, path: SweepPath, every_s: float, tell: Callable[[Overview], None]) -> Overview:
    before, found = "", read(tracker, path)
    while True:
        now = status.line(found)
        if now != before:
            tell(found)
            before = now
        if found.is_over:
            return found
        time.sleep(every_s)
        try:
            found = read(tracker, path)
        except TrackerAway:
            continue  # it is asked again; what is known already has been told


def _print(overview: Overview, console: Console) -> None:
    console.width = 10_000
    console.print(f"{time.strftime('%H:%M:%S')} {status.line(overview)}", markup=False)
