"""Figures of the experiment: scores by setting, the effect of a second task, the error by rate and width."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from framework.report.panels import one_legend, panel_grid
from framework.report.style import COLOURS, MARKERS, PAGE_WIDTH, REFERENCE, sequence, styled

ROW = 0.17  # inches
WORST = -1.0
"""Below it r2 leaves the panel."""


def scores_by_setting(runs: pd.DataFrame, columns: Sequence[str], scores: Sequence[str]) -> Figure:
    """A row a setting, a panel a score: a dot a run, and the mean. r2 below -1 leaves the panel."""
    labels = runs[list(columns)].astype(str).agg(", ".join, axis=1) if columns else pd.Series("all", runs.index)
    rows = list(dict.fromkeys(labels))
    with styled():
        figure, axes = panel_grid(
            len(scores), min(len(scores), 4), width=PAGE_WIDTH, row_height=ROW * len(rows) + 0.7,
            extra_height=0.05, share=False,
        )  # fmt: skip
        for number, (panel, score) in enumerate(zip(axes, scores, strict=True)):
            panel.set_title(_title(score))
            for place, label in enumerate(rows):
                values = pd.to_numeric(runs.loc[labels == label, score]).to_numpy(dtype=float)
                values = values[np.isfinite(values)]
                panel.plot(values, [place] * len(values), "o", color=COLOURS[0], markersize=2.4, alpha=0.4)
                if len(values):
                    panel.plot(values.mean(), place, "D", color=COLOURS[1], markersize=4)
            panel.set_yticks(range(len(rows)), rows if number % min(len(scores), 4) == 0 else [""] * len(rows))
            panel.set_ylim(len(rows) - 0.5, -0.5)
            if score.startswith("test/r2"):
                panel.set_xlim(max(WORST, panel.get_xlim()[0]), 1.02)
                panel.axvline(0, color=REFERENCE, linewidth=0.7, linestyle="--")
            panel.set_xlabel("r²" if score.startswith("test/r2") else "mean squared error")
    return figure


def effects_by_setting(effects: pd.DataFrame, columns: Sequence[str]) -> Figure:
    """The change of r2 by learning all tasks, inside and outside, with its interval over seeds."""
    chosen = effects[effects["score"].str.startswith("r2")]
    named = [name for name in columns if name in chosen and chosen[name].nunique() > 1]
    labels = chosen[named].astype(str).agg(", ".join, axis=1) if named else pd.Series("", chosen.index)
    rows, scores = list(dict.fromkeys(labels)), list(dict.fromkeys(chosen["score"]))
    with styled():
        figure, axes = panel_grid(
            len(scores), 2, width=PAGE_WIDTH, row_height=ROW * len(rows) + 0.8, extra_height=0.05, share=False
        )
        for number, (panel, score) in enumerate(zip(axes, scores, strict=True)):
            for place, label in enumerate(rows):
                (row,) = chosen[(labels == label) & (chosen["score"] == score)].itertuples()
                low, high, mean = (float(getattr(row, name)) for name in ("low", "high", "difference"))
                panel.plot([low, high], [place, place], color=COLOURS[0], linewidth=1.4)
                panel.plot(mean, place, "D", color=COLOURS[0], markersize=4)
            panel.axvline(0, color=REFERENCE, linewidth=0.7, linestyle="--")
            panel.set_yticks(range(len(rows)), rows if number % 2 == 0 else [""] * len(rows))
            panel.set_ylim(len(rows) - 0.5, -0.5)
            panel.set_title(_title(score))
            panel.set_xlabel("change of r² by learning all tasks")
    return figure


def error_by_rate(runs: pd.DataFrame, best: pd.DataFrame, score: str) -> Figure:
    """A panel a parametrisation, a line a width: the mean error over seeds by rate, the best one marked."""
    kinds = list(dict.fromkeys(runs["parametrisation"])) if "parametrisation" in runs else [""]
    widths = sorted(pd.to_numeric(runs["width"]).unique())
    frame = runs.assign(
        rate=pd.to_numeric(runs["rate"]), width=pd.to_numeric(runs["width"]), error=pd.to_numeric(runs[score])
    )
    with styled():
        figure, axes = panel_grid(len(kinds), 3, width=PAGE_WIDTH, row_height=2.0, extra_height=0.4)
        for panel, kind in zip(axes, kinds, strict=True):
            panel.set_title(str(kind).replace("_", " "))
            own = frame[frame["parametrisation"] == kind] if kind else frame
            chosen = best[best["parametrisation"] == kind] if kind else best
            for width, colour in zip(widths, sequence(len(widths)), strict=True):
                line = own[own["width"] == width].groupby("rate")["error"].mean()
                line = line[np.isfinite(line)]
                panel.plot(line.index, line, color=colour, marker=MARKERS[0], label=f"width {width:g}")
                marked = chosen[chosen["width"] == width]
                panel.plot(marked["rate"], marked[score], marker="*", color=colour, markersize=9, linestyle="")
            panel.set(xscale="log", yscale="log")
            panel.set_xlabel("learning rate")
        axes[0].set_ylabel("mean squared error")
        one_legend(figure, axes)
    return figure


def _title(score: str) -> str:
    """`r2_task_0_outside` as words."""
    return score.removeprefix("test/").split("_", 1)[1].replace("_", " ")
