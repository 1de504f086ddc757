"""The bar that a command shows while runs are worked off or sent."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


def runs_bar(console: Console) -> Progress:
    """A bar for tasks with a field `note`: what is at work, how many of how many, the note, the time."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
        console=console,
    )
