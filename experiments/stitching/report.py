"""The stitching report: the stitched error by mapping, number of samples and ridge, beside the parents' own.

Every number is a mean over ordered pairs of models, with the standard deviation over them and their number n. No
ridge and no number of samples is chosen by its score: all are shown.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from framework.errors import SashikoError
from framework.report.aggregate import aggregate, varying
from framework.report.report import Report
from framework.report.style import COLUMN_WIDTH, MARKERS, REFERENCE, new_figure, sequence, styled

METRICS = ("mse_stitched", "mse_source", "mse_target")
# What sets one comparison apart from another; those that do not vary are left out.
SETTING = ("dataset", "split", "latent_dim_source", "latent_dim_target", "sampling")
ROLES = ("source", "target")
AXES = ("mapping", "num_samples", "ridge")
LABELS = {"num_samples": "anchors (images)", "ridge": "ridge λ", "mse_stitched": "mean squared error per pixel"}
PANELS_ACROSS = 2
LOG_BEYOND = 10  # times the parents' error: then the axis is logarithmic


def report(tables: Mapping[str, pd.DataFrame]) -> Report:
    """Table and figures from the tables that stitching runs log (`results`; see `study.result_rows`).

    Raises:
        SashikoError: no run has logged the table `results`.
    """
    if "results" not in tables or tables["results"].empty:
        raise SashikoError("no finished stitching run has logged the table `results`: run some points first")
    results = tables["results"]
    setting = varying(results, SETTING)
    table = aggregate(results, [*setting, *AXES], METRICS)
    return Report(
        table.drop(columns=["mse_source_std", "mse_target_std"]),
        {
            "error_by_num_samples": partial(_panels, table, setting, x="num_samples", lines="ridge"),
            "error_by_ridge": partial(_panels, table, setting, x="ridge", lines="num_samples"),
        },
    )


def _panels(table: pd.DataFrame, setting: list[str], *, x: str, lines: str) -> Figure:
    """The stitched error over `x`, a line for each value of `lines`, a panel for each setting and mapping."""
    panels = list(table.groupby([*setting, "mapping"], sort=True, dropna=False))
    across = min(PANELS_ACROSS, len(panels))
    down = -(-len(panels) // across)
    values = sorted(table[lines].unique())
    colours = dict(zip(values, sequence(len(values)), strict=True))
    with styled():
        figure = new_figure(COLUMN_WIDTH, 1.75 * down + 0.75)
        grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        for axes, (key, rows) in zip(grid.flat, panels, strict=False):
            axes.set_title(_title(dict(zip([*setting, "mapping"], key, strict=True))))
            _lines(axes, rows, x, lines, colours)
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_visible(False)
        if table["mse_stitched_mean"].max() > LOG_BEYOND * table["mse_target_mean"].min():
            grid[0][0].set_yscale("log")
            grid[0][0].yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            grid[0][0].yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            grid[0][0].yaxis.set_minor_locator(NullLocator())
        figure.supxlabel(LABELS[x], fontsize=8)
        figure.supylabel(LABELS["mse_stitched"], fontsize=8)
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3, columnspacing=1.0)
    return figure


def _title(panel: Mapping[str, object]) -> str:
    words = [str(panel[name]) for name in ("mapping", "sampling", "dataset", "split") if name in panel]
    sizes = [f"{role} dim {panel[key]}" for role in ROLES if (key := f"latent_dim_{role}") in panel]
    return "\n".join([", ".join(words), *([", ".join(sizes)] if sizes else [])])


def _lines(axes: Axes, rows: pd.DataFrame, x: str, lines: str, colours: Mapping[Any, str]) -> None:
    positions = _positions(axes, rows[x].to_numpy(dtype=float), x)
    for number, (value, line) in enumerate(rows.assign(_x=positions).groupby(lines, sort=True)):
        label = f"λ = {value:g}" if lines == "ridge" else f"{value} anchors"
        mean, std = line["mse_stitched_mean"], line["mse_stitched_std"]
        marker = MARKERS[number % len(MARKERS)]
        axes.plot(line["_x"], mean, color=colours[value], marker=marker, label=label, markeredgewidth=0)
        if std.notna().any():
            # On a logarithmic axis a band that reaches zero would swallow the panel.
            low = np.maximum(mean - std, 0.5 * mean)
            axes.fill_between(line["_x"], low, mean + std, color=colours[value], alpha=0.12, linewidth=0)
    levels = {role: float(rows[f"mse_{role}_mean"].mean()) for role in ROLES}
    if np.isclose(levels["source"], levels["target"]):  # all ordered pairs: each model is both
        levels = {"parents": levels["source"]}
    for (role, level), style in zip(levels.items(), ("--", ":"), strict=False):
        axes.axhline(level, color=REFERENCE, linestyle=style, linewidth=0.9, label=f"{role} alone")


def _positions(axes: Axes, values: np.ndarray, x: str) -> np.ndarray:
    """Equal steps with the values as ticks: both axes span decades, and λ has a zero."""
    steps = np.unique(values)
    shown = [f"{step:g}" for step in steps]
    axes.set_xticks(range(len(steps)), shown, rotation=45 if max(map(len, shown)) > 4 else 0)
    return np.searchsorted(steps, values)
