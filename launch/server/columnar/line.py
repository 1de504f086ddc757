"""A line of a stream, wherever it is kept."""

from typing import NamedTuple


class Line(NamedTuple):
    """A line of a stream: its number, its step if it has one, its text."""

    line: int
    step: int | None
    text: str
