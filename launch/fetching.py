"""The bar that tells how far fetching is, on standard error, where that takes a while."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import Progress, TaskID

from framework.tracking.mirror import Say
from launch.progress import runs_bar

FEW = 20
"""Runs that are fetched before anybody would read a bar."""


@contextmanager
def telling() -> Iterator[Say]:
    """What shows how many runs have been fetched, on a terminal."""
    console = Console(stderr=True)
    tasks: dict[str, TaskID] = {}
    with ExitStack() as stack:
        bars: list[Progress] = []

        def say(what: str, done: int, total: int) -> None:
            if total <= FEW or not console.is_terminal:
                return
            if not bars:
                bars.append(stack.enter_context(runs_bar(console)))
            if what not in tasks:
                tasks[what] = bars[0].add_task(f"fetching {what}", total=total, note="runs")
            bars[0].update(tasks[what], completed=done, total=max(total, done))

        yield say
