"""A row a family, a dot a replicate: means with their standard deviation over what they are means of."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.fusion.figures.axes import share_axis, value_axis
from experiments.fusion.figures.looks import Look
from framework.report.panels import panel_grid
from framework.report.style import COLUMN_WIDTH, PAGE_WIDTH, REFERENCE, styled

ROW = 0.15  # inches


def points(
    panels: Sequence[tuple[str, pd.DataFrame]],
    looks: Mapping[str, Look],
    *,
    across: int = 1,
    labels: Sequence[str] = (),
    shares: bool = False,
    reference: str = "",
) -> Figure:
    """Panels that have their rows in common, each with an axis of its own.

    Args:
        panels: Title and frame with the columns `row` and `value`, a line a replicate.
        looks: The rows from top to bottom.
        across: Panels beside one another.
        labels: Below each panel; they come again where there are fewer.
        shares: Whether values are shares in [0, 1], shown in per cent; where they crowd below 1, the axis is that
            of the log-odds.
        reference: The row whose mean is a line through each panel.
    """
    width = COLUMN_WIDTH if across == 1 else PAGE_WIDTH
    with styled():
        height = ROW * len(looks) + (0.6 if labels else 0.42)
        figure, axes = panel_grid(
            len(panels), across, width=width, row_height=height, extra_height=0.05, share=False
        )
        for number, (panel, (title, rows)) in enumerate(zip(axes, panels, strict=True)):
            panel.set_title(title)
            _draw(panel, rows, looks, reference)
            values = rows["value"].to_numpy(dtype=float)
            share_axis(panel, values, "x") if shares else value_axis(panel, values, "x")
            first = number % min(across, len(panels)) == 0
            panel.set_yticks(range(len(looks)), [look.name for look in looks.values()])
            panel.tick_params(axis="y", labelleft=first, length=0)
            panel.set_ylim(len(looks) - 0.5, -0.5)
            if labels:
                panel.set_xlabel(labels[number % len(labels)])
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, looks: Mapping[str, Look], reference: str) -> None:
    by_row = {str(row): group["value"].dropna().to_numpy(dtype=float) for row, group in rows.groupby("row")}
    if len(by_row.get(reference, ())):
        axes.axvline(by_row[reference].mean(), color=REFERENCE, linestyle="--", linewidth=0.7, zorder=1)
    for place, (row, look) in enumerate(looks.items()):
        values = by_row.get(row, np.empty(0))
        if not len(values):
            continue
        mean = values.mean()
        if len(values) > 1:
            std = values.std(ddof=1)
            axes.plot([mean - std, mean + std], [place, place], color=look.colour, linewidth=1.0, zorder=2)
            axes.plot(
                values, [place] * len(values), "o", color=look.colour, markersize=2.4, alpha=0.45,
                markeredgewidth=0, zorder=3,
            )  # fmt: skip
        axes.plot(
            mean, place, look.marker, color=look.colour, markersize=4.6, markeredgecolor="white",
            markeredgewidth=0.5, zorder=4,
        )  # fmt: skip
