"""Dots with intervals, a row a thing that is compared: which is best, by how much, and how sure that is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FAINT = "#808080"
ROW = 0.19  # inches


class Row(NamedTuple):
    """What a row of the chart shows.

    Attributes:
        label: What stands at its left.
        mean, low, high: The dot and its interval; an interval of NaN is left out.
        colour: Of the dot and the interval.
        before: A mean that this one is compared with, a hollow dot; NaN for none.
        spread: The single values behind the mean, faint.
    """

    label: str
    mean: float
    low: float
    high: float
    colour: str
    before: float = float("nan")
    spread: Sequence[float] = ()


def forest(axes: "Axes", rows: Sequence[Row]) -> None:
    """Draw the rows, the first on top."""
    for place, row in enumerate(rows):
        if len(row.spread):
            axes.plot(
                row.spread,
                [place] * len(row.spread),
                "|",
                color=FAINT,
                markersize=4.5,
                markeredgewidth=0.6,
                zorder=3,
            )
        if np.isfinite(row.before) and row.before != row.mean:
            axes.plot([row.before, row.mean], [place, place], color=row.colour, linewidth=0.7, alpha=0.5)
            axes.plot(
                row.before, place, "o", color="white", markeredgecolor=row.colour, markeredgewidth=0.8, zorder=4
            )
        if np.isfinite(row.low) and np.isfinite(row.high):
            axes.plot([row.low, row.high], [place, place], color=row.colour, linewidth=1.8, solid_capstyle="butt")
        axes.plot(
            row.mean, place, "o", color=row.colour, markersize=4.5, markeredgecolor="white", markeredgewidth=0.5,
            zorder=5,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
