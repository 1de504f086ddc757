"""The ablation line: from no mapping to the richest one, a line a pair of kinds, parents as reference."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.stitching.figures.boxes import shown_rows
from experiments.stitching.figures.looks import Score, in_order, look
from framework.report.panels import one_legend, panel_grid, score_axis
from framework.report.style import COLOURS, MARKERS, styled


def ablation(results: pd.DataFrame, score: Score) -> Figure:
    """Means over the pairs of models of two architectures, or methods, at the cells that boxes show.

    The short line at the right of each line is what the target alone reaches.
    """
    column = f"{score.key}_stitched"
    rows = shown_rows(results[results[column].notna()])
    mappings = in_order(rows["mapping"])
    pairs = (rows["source_kind"] + " → " + rows["target_kind"]).str.replace("_autoencoder", "")
    means = rows.groupby([pairs, "mapping"])[column].mean().unstack("mapping").reindex(columns=mappings)
    alone = rows.groupby(pairs)[f"{score.key}_target"].mean()
    with styled():
        figure, (axes,) = panel_grid(1, 1, row_height=2.5, extra_height=0.7)
        places = np.arange(len(mappings))
        for (pair, values), colour, marker in zip(
            means.iterrows(), itertools.cycle(COLOURS), itertools.cycle(MARKERS), strict=False
        ):
            axes.plot(places, values, color=colour, marker=marker, label=str(pair), markeredgewidth=0)
            axes.hlines(alone.loc[str(pair)], places[-1] + 0.75, places[-1] + 1.25, color=colour, linestyle="--")
        axes.set_xticks(
            [*places, places[-1] + 1],
            [*(look(m).name for m in mappings), "target alone"],
            rotation=40,
            ha="right",
        )
        smallest = min(float(means.min().min()), float(alone.min()))
        score_axis(axes, smallest, float(means.max().max()))
        axes.set_ylabel(score.label)
        one_legend(figure, [axes], columns=2)
    return figure
