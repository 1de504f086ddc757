"""Which direction is hard: the score of each mapping from each kind of model to each other, as numbers."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from experiments.stitching.figures.looks import Score, in_order, look
from experiments.stitching.selection import shown
from framework.report.aggregate import number
from framework.report.heatmap import CELL, heatmap, ranked
from framework.report.panels import LOG_BEYOND
from framework.report.style import COLUMN_WIDTH, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALONE = "target alone"


def kinds(results: pd.DataFrame, score: Score) -> "Figure":
    """Means over pairs at the most anchors; the last row is what the target reaches by itself."""
    rows = shown(results, score)
    rows = rows[rows["num_samples"] == rows["num_samples"].max()]
    pair = rows["source_kind"] + "\n→ " + rows["target_kind"]
    rows = rows.assign(_column=pair.str.replace("_autoencoder", ""))
    return table_of(rows, "_column", score)


def classes(by_class: pd.DataFrame, score: Score) -> "Figure":
    """Means over all pairs at the most anchors, for each class; the last row is the target by itself."""
    rows = shown(by_class, score)
    rows = rows[rows["num_samples"] == rows["num_samples"].max()]
    figure = table_of(rows, "class", score)
    figure.axes[0].set_xlabel("class")
    return figure


def table_of(rows: pd.DataFrame, column: str, score: Score) -> "Figure":
    """The score by mapping (down) and by `column` (across), the brighter the better."""
    means = rows.groupby(["mapping", column])[f"{score.key}_stitched"].mean().unstack(column)
    means = means.reindex(in_order(means.index))
    alone = rows.groupby(column)[f"{score.key}_target"].mean().reindex(means.columns)
    values = np.vstack([means.to_numpy(dtype=float), alone.to_numpy(dtype=float)])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    best, worst = (high, low) if score.higher_is_better else (low, high)
    names = [*(look(mapping).name for mapping in means.index), ALONE]
    labels = [str(label) for label in means.columns]
    with styled():
        height = CELL * len(names) + 0.15 * (1 + max(label.count("\n") for label in labels)) + 0.6
        figure = new_figure(max(COLUMN_WIDTH, 1.3 + 0.42 * len(labels)), height)
        axes = figure.add_subplot()
        shades = ranked(values, best=best, worst=worst, log=low > 0 and high > LOG_BEYOND * low)
        heatmap(axes, values, shades, rows=names, columns=labels, text=lambda value: number(value, 2))
        axes.axhline(len(names) - 1.5, color="white", linewidth=1.5)
        axes.set_title(f"{score.label}\n{rows['num_samples'].iloc[0]:g} anchors")
    return figure
