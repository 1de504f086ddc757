"""The stitching report: the stitched error by mapping, number of samples and ridge, beside the parents' own.

Every number is a mean over ordered pairs of models, with the standard deviation over them and their number n. No
ridge and no number of samples is chosen by its score: all are shown.
"""

import itertools
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
from framework.report.style import COLOURS, COLUMN_WIDTH, MARKERS, REFERENCE, new_figure, styled

METRICS = ("mse_stitched", "mse_source", "mse_target")
# What sets one comparison apart from another; those that do not vary are left out.
SETTING = ("dataset", "split", "latent_dim_source", "latent_dim_target", "sampling")
ROLES = ("source", "target")
AXES = ("mapping", "num_samples", "ridge")
LABELS = {"num_samples": "anchors (images)", "ridge": "ridge λ", "mse_stitched": "mean squared error per pixel"}
PANELS_ACROSS = 2
PANELS_MOST = 4
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
    parents = {f"mse_{role}_mean": f"mse_{role}" for role in ROLES}
    return Report(
        table.drop(columns=["mse_source_std", "mse_target_std"]).rename(columns=parents),
        {
            "error_by_num_samples": partial(_panels, table, setting, x="num_samples", panel="ridge"),
            "error_by_ridge": partial(_panels, table, setting, x="ridge", panel="num_samples"),
        },
    )


def _panels(table: pd.DataFrame, setting: list[str], *, x: str, panel: str) -> Figure:
    """The stitched error over `x`, a line a mapping; a panel for each setting and some values of `panel`."""
    shown = table[table[panel].isin(_spread(sorted(table[panel].unique())))]
    panels = list(shown.groupby([*setting, panel], sort=True, dropna=False))
    across = min(PANELS_ACROSS, len(panels))
    down = -(-len(panels) // across)
    mappings = sorted(table["mapping"].unique())
    colours = dict(zip(mappings, itertools.cycle(COLOURS), strict=False))
    with styled():
        figure = new_figure(COLUMN_WIDTH, 1.45 * down + 0.75)
        grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        for axes, (key, rows) in zip(grid.flat, panels, strict=False):
            axes.set_title(_title(dict(zip([*setting, panel], key, strict=True)), panel))
            _lines(axes, rows, x, colours)
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_visible(False)
        if shown["mse_stitched_mean"].max() > LOG_BEYOND * shown["mse_target_mean"].min():
            grid[0][0].set_yscale("log")
            grid[0][0].yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            grid[0][0].yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            grid[0][0].yaxis.set_minor_locator(NullLocator())
        figure.supxlabel(LABELS[x], fontsize=8)
        figure.supylabel(LABELS["mse_stitched"], fontsize=8)
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4, columnspacing=1.0)
    return figure


def _spread(values: list[Any]) -> list[Any]:
    """At most four of the sorted values: both ends, and what lies evenly between them."""
    picks = np.linspace(0, len(values) - 1, min(PANELS_MOST, len(values))).round().astype(int)
    return [values[pick] for pick in picks]


def _title(key: Mapping[str, object], panel: str) -> str:
    value = f"λ = {key[panel]:g}" if panel == "ridge" else f"{key[panel]} anchors"
    words = [value, *(str(key[name]) for name in ("sampling", "dataset", "split") if name in key)]
    sizes = [f"{role} dim {key[name]}" for role in ROLES if (name := f"latent_dim_{role}") in key]
    return "\n".join([", ".join(words), *([", ".join(sizes)] if sizes else [])])


def _lines(axes: Axes, rows: pd.DataFrame, x: str, colours: Mapping[Any, str]) -> None:
    positions = _positions(axes, rows[x].to_numpy(dtype=float), x)
    for number, (mapping, line) in enumerate(rows.assign(_x=positions).groupby("mapping", sort=True)):
        mean, std = line["mse_stitched_mean"], line["mse_stitched_std"]
        colour, marker = colours[mapping], MARKERS[number % len(MARKERS)]
        axes.plot(line["_x"], mean, color=colour, marker=marker, label=str(mapping), markeredgewidth=0)
        if std.notna().any():
            # On a logarithmic axis a band that reaches zero would swallow the panel.
            low = np.maximum(mean - std, 0.5 * mean)
            axes.fill_between(line["_x"], low, mean + std, color=colour, alpha=0.15, linewidth=0)
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
