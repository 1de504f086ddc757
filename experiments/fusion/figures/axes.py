"""Axes for shares that crowd below one, and for values of any size. Each sets one axis of one panel."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, FixedLocator, FuncFormatter, NullLocator

from framework.report.panels import score_axis

Along = Literal["x", "y"]
Floats = npt.NDArray[np.float64]

SHARES = (0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999)
CROWDED = 4  # largest over smallest distance from one
WIDE = 100  # largest over smallest value: beyond it powers of ten are ticks enough
LARGE = 1e4  # from here on ticks are 10 k, 1 M


def share_axis(axes: Axes, values: Floats, along: Along) -> None:
    """Shares in [0, 1] in per cent; where they crowd below 1, on the axis of their log-odds."""
    axis = axes.xaxis if along == "x" else axes.yaxis
    values = values[np.isfinite(values)]
    # Log-odds of 0 and 1 are infinite.
    inside = len(values) > 0 and values.min() > 0 and values.max() < 1
    if inside and 1 - values.min() > CROWDED * (1 - values.max()):
        low, high = float(values.min()), float(values.max())
        limits = (low / (low + 1.25 * (1 - low)), high / (high + 0.8 * (1 - high)))
        axes.set(**{f"{along}scale": "logit", f"{along}lim": limits})
        axis.set_major_locator(FixedLocator([share for share in SHARES if limits[0] <= share <= limits[1]]))
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}"))


def value_axis(axes: Axes, values: Floats, along: Along) -> None:
    """Any numbers, all of them inside; logarithmic where positive ones span more than a factor of ten."""
    axis = axes.xaxis if along == "x" else axes.yaxis
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    if low > 0 and high > WIDE * low:
        axes.set(**{f"{along}scale": "log"})
        axis.set_minor_locator(NullLocator())
        return
    score_axis(axes, low, high, along=along)
    if high >= LARGE:
        axis.set_major_formatter(EngFormatter(sep=""))
