"""The stitched score of each class: a line a mapping, the parents as reference; at the cells that boxes show."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.stitching.figures.boxes import shown_rows
from experiments.stitching.figures.looks import ROLES, Score, in_order, look
from framework.report.panels import one_legend, panel_grid, score_axis
from framework.report.style import REFERENCE, styled


def classes(by_class: pd.DataFrame, score: Score) -> Figure:
    """Means over all pairs of models, for each class."""
    column = f"{score.key}_stitched"
    rows = shown_rows(by_class[by_class[column].notna()])
    means = rows.groupby(["mapping", "class"])[column].mean().unstack("class")
    labels = list(means.columns)
    with styled():
        figure, (axes,) = panel_grid(1, 1, row_height=2.3, extra_height=0.6)
        places = np.arange(len(labels))
        for mapping in in_order(means.index):
            style = look(mapping)
            axes.plot(
                places, means.loc[mapping], style.line, color=style.colour, marker=style.marker, label=style.name,
                markeredgewidth=0, linewidth=0.8,
            )  # fmt: skip
        for role, dashes in zip(ROLES, (":", "--"), strict=True):
            if f"{score.key}_{role}" in rows and rows[f"{score.key}_{role}"].notna().any():
                own = rows.groupby("class")[f"{score.key}_{role}"].mean().loc[labels]
                axes.plot(places, own, dashes, color=REFERENCE, label=f"{role} alone", linewidth=1.0)
        axes.set_xticks(places, [str(label) for label in labels])
        score_axis(axes, float(means.min().min()), float(means.max().max()))
        axes.set_xlabel("class")
        axes.set_ylabel(score.label)
        one_legend(figure, [axes], columns=3)
    return figure
