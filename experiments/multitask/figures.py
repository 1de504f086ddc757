"""Figures of the experiment: scores by setting, the effect of a second task, the error by rate and width."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from framework.report.panels import one_legend, panel_grid, score_axis
from framework.report.style import COLOURS, MARKERS, PAGE_WIDTH, REFERENCE, sequence, styled

ROW = 0.17  # inches


def errors_by_setting(runs: pd.DataFrame, columns: Sequence[str], scores: Sequence[str]) -> Figure:
    """A row a setting, a panel an error: a dot a run, and the geometric mean; what lies further left is better."""
    labels = runs[list(columns)].astype(str).agg(", ".join, axis=1) if columns else pd.Series("all", runs.index)
    rows = list(dict.fromkeys(labels))
    across = min(len(scores), 4)
    with styled():
        height = ROW * len(rows) + 0.7
        figure, axes = panel_grid(
            len(scores), across, width=PAGE_WIDTH, row_height=height, extra_height=0.05, share=False
        )
        for number, (panel, score) in enumerate(zip(axes, scores, strict=True)):
            panel.set_title(_title(score))
            for place, label in enumerate(rows):
                values = pd.to_numeric(runs.loc[labels == label, score]).to_numpy(dtype=float)
                values = values[np.isfinite(values) & (values > 0)]
                panel.plot(values, [place] * len(values), "o", color=COLOURS[0], markersize=2.4, alpha=0.4)
                if len(values):
                    panel.plot(np.exp(np.log(values).mean()), place, "D", color=COLOURS[1], markersize=4)
            numbers = pd.to_numeric(runs[score])
            score_axis(panel, float(numbers.min()), float(numbers.max()), along="x")
            _rows(panel, rows, named=number % across == 0)
            panel.set_xlabel("mean squared error")
    return figure


def effects_by_setting(effects: pd.DataFrame, columns: Sequence[str]) -> Figure:
    """By what factor the error changes if all tasks are learnt, inside and outside, with its interval."""
    named = [name for name in columns if name in effects and effects[name].nunique() > 1]
    labels = effects[named].astype(str).agg(", ".join, axis=1) if named else pd.Series("", effects.index)
    rows, regions = list(dict.fromkeys(labels)), list(dict.fromkeys(effects["region"]))
    with styled():
        height = ROW * len(rows) + 0.8
        figure, axes = panel_grid(
            len(regions), 2, width=PAGE_WIDTH, row_height=height, extra_height=0.05, share=False
        )
        for number, (panel, region) in enumerate(zip(axes, regions, strict=True)):
            for row in effects[effects["region"] == region].assign(label=labels).to_dict("records"):
                place = rows.index(row["label"])
                panel.plot([row["low"], row["high"]], [place, place], color=COLOURS[0], linewidth=1.4)
                panel.plot(row["ratio"], place, "D", color=COLOURS[0], markersize=4)
            panel.axvline(1, color=REFERENCE, linewidth=0.7, linestyle="--")
            panel.set_xscale("log")
            _rows(panel, rows, named=number == 0)
            panel.set_title(f"{effects['task'].iloc[0].replace('_', ' ')}, {region}")
            panel.set_xlabel("error with all tasks / error alone")
    return figure


def _rows(panel: Axes, rows: Sequence[str], *, named: bool) -> None:
    panel.set_yticks(range(len(rows)), rows if named else [""] * len(rows))
    panel.set_ylim(len(rows) - 0.5, -0.5)


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
            panel.set_title("μP" if kind == "mup" else str(kind).replace("_", " "))
            own = frame[frame["parametrisation"] == kind] if kind else frame
            chosen = best[best["parametrisation"] == kind] if kind else best
            for width, colour in zip(widths, sequence(len(widths)), strict=True):
                line = own[own["width"] == width].groupby("rate")["error"].mean()
                line = line[np.isfinite(line)]
                panel.plot(line.index, line, color=colour, marker=MARKERS[0], label=f"width {width:g}")
                marked = chosen[chosen["width"] == width]
                panel.plot(marked["rate"], marked[score], marker="*", color=colour, markersize=9, linestyle="")
            panel.set(xscale="log")
            panel.set_xlabel("learning rate")
        finite = frame["error"][np.isfinite(frame["error"])]
        score_axis(axes[0], float(finite.min()), float(finite.max()))
        axes[0].set_ylabel("mean squared error")
        one_legend(figure, axes)
    return figure


def _title(score: str) -> str:
    """`r2_task_0_outside` as words."""
    return score.removeprefix("test/").split("_", 1)[1].replace("_", " ")
