"""Small words for the terminal."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framework.definition import Definition


STATES = {"crashed": "lost", "killed": "stopped", "pending": "starting"}
"""What the tracker's words for states of runs are called, where they could be taken for something else."""


def counted(count: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def points_open(count: int) -> str:
    """`1 point open`, `2 points open`."""
    return f"{counted(count, 'point')} open"


def warn(definition: "Definition", file: Path) -> None:
    """Tell on standard error what a sweep file says that nothing follows."""
    for problem in definition.warnings:
        print(f"warning: {file}: {problem}", file=sys.stderr)
