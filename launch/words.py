"""Small words for the terminal."""


def counted(count: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def points_open(count: int) -> str:
    """`1 point open`, `2 points open`."""
    return f"{counted(count, 'point')} open"
