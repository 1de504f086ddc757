"""Line charts as inline SVG: one key of a history over its steps. Knows nothing of runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, MARGIN = 320, 120, 6


@dataclass(frozen=True)
class Chart:
    """A chart that a template draws: `lines` are SVG point lists, broken where a value is not finite."""

    key: str
    lines: Sequence[str]
    dots: Sequence[tuple[str, str]]
    low: str
    high: str
    first: str
    last: str
    width: int = WIDTH
    height: int = HEIGHT


def chart(key: str, points: Sequence[tuple[float, float]]) -> Chart | None:
    """The chart of (step, value) pairs; None when no value is finite."""
    finite = [point for point in points if math.isfinite(point[0]) and math.isfinite(point[1])]
    if not finite:
        return None
    left, right = min(x for x, _ in finite), max(x for x, _ in finite)
    low, high = min(y for _, y in finite), max(y for _, y in finite)
    across = (WIDTH - 2 * MARGIN) / ((right - left) or 1.0)
    up = (HEIGHT - 2 * MARGIN) / ((high - low) or 1.0)

    def place(x: float, y: float) -> tuple[str, str]:
        above = y - low if high > low else (HEIGHT / 2 - MARGIN) / up
        return f"{MARGIN + (x - left) * across:.1f}", f"{HEIGHT - MARGIN - above * up:.1f}"

    lines: list[list[tuple[str, str]]] = [[]]
    for x, y in points:
        if math.isfinite(x) and math.isfinite(y):
            lines[-1].append(place(x, y))
        elif lines[-1]:
            lines.append([])
    texts = [" ".join(f"{x},{y}" for x, y in line) for line in lines if len(line) > 1]
    dots = [line[0] for line in lines if len(line) == 1]
    return Chart(key, texts, dots, short(low), short(high), short(left), short(right))


def short(value: object) -> str:
    """A value as a table shows it: numbers to five digits, other things as JSON would name them."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.5g}"
    return str(value)
