"""Figures of several panels: a grid of axes, one legend above them, and the axis that scores need."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from framework.report.style import COLUMN_WIDTH, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOG_BEYOND = 10  # largest over smallest value: beyond it an axis of positive values is logarithmic
ENDS_AT = 100  # times the smallest value


def panel_grid(
    count: int,
    across: int,
    *,
    width: float = COLUMN_WIDTH,
    row_height: float = 1.45,
    extra_height: float = 0.75,
    share: bool = True,
) -> "tuple[Figure, list[Axes]]":
    """A figure with `count` panels, `across` in a row, that share their axes or not; heights in inches."""
    across = min(across, count)
    down = -(-count // across)
    figure = new_figure(width, row_height * down + extra_height)
    grid = figure.subplots(down, across, sharex=share, sharey=share, squeeze=False)
    axes = list(itertools.chain.from_iterable(grid))
    for unused in axes[count:]:
        unused.set_visible(False)
    if share:
        # Panels whose lower neighbour is missing are the lowest of their column.
        for above in axes[max(count - across, 0) : count]:
            above.xaxis.set_tick_params(labelbottom=True)
    return figure, axes[:count]


def one_legend(figure: "Figure", axes: "Sequence[Axes]", columns: int = 4) -> None:
    """One legend above all panels, each label once, in the order of its first appearance.

    It has `columns`, or as many as the figure is wide enough for.
    """
    found: dict[str, Any] = {}
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(str(label), handle)
    for number in range(columns, 0, -1):
        legend = figure.legend(
            list(found.values()), list(found), loc="outside upper center", ncols=number, columnspacing=1.0
        )
        if number == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def score_axis(axes: "Axes", smallest: float, largest: float, *, along: Literal["x", "y"] = "y") -> None:
    """A logarithmic axis with plain numbers where positive scores span more than a factor of ten.

    It ends at a hundred times the smallest: what blows up leaves the panel, and the rest stays legible.
    """
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    if not (smallest > 0 and largest > LOG_BEYOND * smallest):
        return
    axes.set(**{f"{along}scale": "log"})
    if largest > ENDS_AT * smallest:
        axes.set(**{f"{along}lim": (0.8 * smallest, ENDS_AT * smallest)})
    axis = axes.yaxis if along == "y" else axes.xaxis
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())
