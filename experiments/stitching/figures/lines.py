"""The stitched score over the number of anchors or over the ridge: a line a mapping, a panel a setting."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.stitching.figures.looks import KINDS, ROLES, Score, in_order, kinship, look
from framework.report.panels import one_legend, panel_grid, score_axis
from framework.report.style import REFERENCE, styled

LABELS = {"num_samples": "anchors (images)", "ridge": "ridge λ"}
ACROSS = 2
MOST = 4  # panels, unless there are more settings
BANDS = 3  # more lines than these would hide one another's bands


def lines(table: pd.DataFrame, score: Score, setting: Sequence[str], *, x: str, panel: str) -> Figure:
    """Means over pairs, with a band of one standard deviation where lines are few.

    Args:
        table: Aggregated rows: `setting`, mapping, num_samples, ridge, and mean and std of the stitched score.
        score: Which score.
        setting: Columns that tell settings apart; each combination gets its panels.
        x: The axis: num_samples or ridge. Mappings without a ridge are left out of the latter.
        panel: The other of the two: at most four of its values are shown, and one where there are more settings.
    """
    table = table[table[f"{score.key}_stitched_mean"].notna()]
    if x == "ridge":
        table = table[table.groupby("mapping")["ridge"].transform("nunique") > 1]
    settings = len(table.groupby(list(setting), dropna=False)) if setting else 1
    shown = table[table[panel].isin(_spread(sorted(table[panel].unique()), max(1, MOST // settings)))]
    if panel == "ridge":  # mappings without a ridge belong in every panel
        shown = pd.concat([shown, *_without_ridge(table, shown)])
    panels = list(shown.groupby([*setting, panel], sort=True, dropna=False))
    titles = [_title(dict(zip([*setting, panel], key, strict=True)), panel) for key, _ in panels]
    below = 0.12 * max(title.count("\n") for title in titles)
    with styled():
        figure, axes = panel_grid(len(panels), ACROSS, row_height=1.45 + below, extra_height=1.0)
        for one, title, (_, rows) in zip(axes, titles, panels, strict=True):
            one.set_title(title)
            _draw(one, rows, x, score)
        ends = shown[[f"{score.key}_{end}" for end in ("stitched_mean", *ROLES) if f"{score.key}_{end}" in shown]]
        score_axis(axes[0], float(ends.min().min()), float(ends.max().max()))
        figure.supxlabel(LABELS[x], fontsize=8)
        figure.supylabel(score.label, fontsize=8)
        one_legend(figure, axes, columns=3)
    return figure


def _spread(values: list[Any], most: int) -> list[Any]:
    """At most so many of the sorted values: both ends and what lies evenly between them, or the middle one."""
    if most == 1:
        return [values[len(values) // 2]]
    picks = np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int)
    return [values[pick] for pick in picks]


def _without_ridge(table: pd.DataFrame, shown: pd.DataFrame) -> list[pd.DataFrame]:
    bare = table[table.groupby("mapping")["ridge"].transform("nunique") == 1]
    return [bare[bare["ridge"] != ridge].assign(ridge=ridge) for ridge in shown["ridge"].unique()]


def _title(key: Mapping[str, Any], panel: str) -> str:
    value = f"λ = {key[panel]:g}" if panel == "ridge" else f"{key[panel]} anchors"
    plain = ("sampling", "dataset", "split", "source_layer", "target_layer")
    words = [value, *(str(key[name]) for name in plain if name in key)]
    sizes = [f"{role} dim {key[name]}" for role in ROLES if (name := f"latent_dim_{role}") in key]
    kinds = [kinship(name, key[name]) for name in KINDS if name in key]
    return "\n".join(", ".join(line) for line in (words, kinds, sizes) if line)


def _draw(axes: Axes, rows: pd.DataFrame, x: str, score: Score) -> None:
    positions = _positions(axes, rows[x].to_numpy(dtype=float))
    by_mapping = {str(mapping): line for mapping, line in rows.assign(_x=positions).groupby("mapping")}
    for mapping in in_order(by_mapping):
        line, style = by_mapping[mapping].sort_values("_x"), look(mapping)
        mean, std = line[f"{score.key}_stitched_mean"], line[f"{score.key}_stitched_std"]
        axes.plot(
            line["_x"],
            mean,
            style.line,
            color=style.colour,
            marker=style.marker,
            label=style.name,
            markeredgewidth=0,
        )
        if len(by_mapping) <= BANDS and std.notna().any():
            # On a logarithmic axis a band that reaches zero would swallow the panel.
            low = np.maximum(mean - std, 0.5 * mean)
            axes.fill_between(line["_x"], low, mean + std, color=style.colour, alpha=0.15, linewidth=0)
    parents(axes, rows, score)


def parents(axes: Axes, rows: pd.DataFrame, score: Score, *, vertical: bool = False) -> None:
    """Reference lines: what the parents alone reach, one line where both reach the same."""
    means = {role: rows[f"{score.key}_{role}"].mean() for role in ROLES if f"{score.key}_{role}" in rows}
    means = {role: mean for role, mean in means.items() if np.isfinite(mean)}
    draw = axes.axvline if vertical else axes.axhline
    if len(means) == 2 and math.isclose(*means.values(), rel_tol=1e-3):
        draw(next(iter(means.values())), color=REFERENCE, linestyle="--", linewidth=0.9, label="parents alone")
        return
    for role, mean in means.items():
        dashes = "--" if role == "target" else ":"
        draw(mean, color=REFERENCE, linestyle=dashes, linewidth=0.9, label=f"{role} alone")


def _positions(axes: Axes, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Equal steps with the values as ticks: both axes span decades, and λ has a zero."""
    steps = np.unique(values)
    shown = [f"{step:g}" for step in steps]
    axes.set_xticks(range(len(steps)), shown, rotation=45 if max(map(len, shown)) > 4 else 0)
    return np.searchsorted(steps, values).astype(float)
