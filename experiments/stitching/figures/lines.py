"""The stitched score over the number of anchors, and over the ridge: small multiples, few lines in each."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from experiments.stitching.figures.looks import FAMILIES, KINDS, ROLES, Score, in_order, kinship, look
from experiments.stitching.selection import PLACE, scored, shown
from framework.report.panels import one_legend, panel_grid, score_axis
from framework.report.style import PAGE_WIDTH, REFERENCE, sequence, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OTHERS = "#D9D9D9"
ACROSS = 4
MOST_TICKS = 6  # with names; of more every second one has its name
FEW = 4  # numbers of anchors that the ridge is drawn for


def by_anchors(results: pd.DataFrame, score: Score, setting: Sequence[str]) -> "Figure":
    """A column a family of mappings, a row a setting; λ chosen on val, bands are 95 % intervals over models.

    Behind each family's lines stand those of the others, grey.
    """
    name = f"{score.key}_stitched"
    chosen = shown(results, score)
    table = scored(chosen, [*setting, *PLACE], name)
    families = [family for family in FAMILIES if any(look(m).family == family for m in set(table["mapping"]))]
    groups = list(table.groupby(list(setting), sort=True, dropna=False)) if setting else [((), table)]
    width = PAGE_WIDTH * max(len(families), 2) / ACROSS
    with styled():
        figure, axes = panel_grid(
            len(groups) * len(families), len(families), width=width, row_height=1.5, extra_height=1.1
        )
        for place, panel in enumerate(axes):
            (key, rows), family = groups[place // len(families)], families[place % len(families)]
            _family(panel, rows, family)
            parents(panel, _of(chosen, setting, key), score, told=place == 0)
            if place < len(families):
                place_of: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2}
                panel.legend(title=family, alignment="left", **place_of)
            if place % len(families) == 0 and setting:
                panel.set_ylabel(_row_title(dict(zip(setting, key, strict=True))))
        own = [f"{score.key}_{role}" for role in ROLES if f"{score.key}_{role}" in chosen]
        ends = [table["mean"], *(chosen[column] for column in own)]
        score_axis(axes[0], min(float(values.min()) for values in ends), max(float(v.max()) for v in ends))
        figure.supxlabel("anchors (images)", fontsize=8)
        figure.supylabel(score.label, fontsize=8)
    return figure


def by_ridge(table: pd.DataFrame, score: Score) -> "Figure":
    """A panel a mapping that has several λ, a line a number of anchors: means over all pairs of models and draws.

    Args:
        table: Aggregated rows with mapping, num_samples, ridge, n and the mean of the stitched score.
        score: Which score.
    """
    name = f"{score.key}_stitched_mean"
    table = table[table[name].notna()]
    table = table[table.groupby("mapping")["ridge"].transform("nunique") > 1]
    counts = _spread(sorted(table["num_samples"].unique()), FEW)
    table = table[table["num_samples"].isin(counts)]
    table = table.assign(_sum=table[name] * table["n"])
    sums = table.groupby(["mapping", "num_samples", "ridge"], as_index=False)[["_sum", "n"]].sum()
    sums["mean"] = sums["_sum"] / sums["n"]
    mappings = in_order(sums["mapping"])
    with styled():
        width = PAGE_WIDTH * max(min(len(mappings), ACROSS), 2) / ACROSS
        figure, axes = panel_grid(len(mappings), ACROSS, width=width, row_height=1.35, extra_height=0.7)
        steps = np.unique(sums["ridge"])
        for panel, mapping in zip(axes, mappings, strict=True):
            for count, colour in zip(counts, sequence(len(counts)), strict=True):
                line = sums[(sums["mapping"] == mapping) & (sums["num_samples"] == count)].sort_values("ridge")
                places = np.searchsorted(steps, line["ridge"])
                panel.plot(places, line["mean"], "-o", color=colour, label=f"{count:g} anchors", markersize=2.5)
            _ticks(panel, steps)
            panel.set_title(look(mapping).name)
        score_axis(axes[0], float(sums["mean"].min()), float(sums["mean"].max()))
        figure.supxlabel("ridge λ", fontsize=8)
        figure.supylabel(score.label, fontsize=8)
        one_legend(figure, axes)
    return figure


def parents(axes: "Axes", rows: pd.DataFrame, score: Score, *, vertical: bool = False, told: bool = True) -> None:
    """Reference lines: what the parents alone reach, one line where both reach the same; `told` in the legend."""
    means = {role: rows[f"{score.key}_{role}"].mean() for role in ROLES if f"{score.key}_{role}" in rows}
    means = {f"{role} alone": mean for role, mean in means.items() if np.isfinite(mean)}
    if len(means) == 2 and math.isclose(*means.values(), rel_tol=1e-3):
        means = {"parents alone": means["target alone"]}
    draw = axes.axvline if vertical else axes.axhline
    for label, mean in means.items():
        dashes = ":" if label.startswith("source") else "--"
        draw(mean, color=REFERENCE, linestyle=dashes, linewidth=0.9, label=label if told else None)


def _family(axes: "Axes", rows: pd.DataFrame, family: str) -> None:
    """The lines of a family over the number of anchors, and those of the others behind them."""
    steps = np.unique(rows["num_samples"])
    by_mapping = {str(m): line.sort_values("num_samples") for m, line in rows.groupby("mapping")}
    for mapping in in_order(by_mapping):
        line, style = by_mapping[mapping], look(mapping)
        places = np.searchsorted(steps, line["num_samples"])
        if style.family != family:
            axes.plot(places, line["mean"], color=OTHERS, linewidth=0.7, zorder=1)
            continue
        axes.plot(places, line["mean"], "-", color=style.colour, marker=style.marker, label=style.name, zorder=3)
        known = line["low"].notna().to_numpy()
        if known.any():
            low = np.maximum(line["low"], 0.5 * line["mean"])  # a band to zero would swallow a logarithmic axis
            band: dict[str, Any] = {"color": style.colour, "alpha": 0.15, "linewidth": 0, "zorder": 2}
            axes.fill_between(places[known], low[known], line["high"][known], **band)
    _ticks(axes, steps)


def _of(rows: pd.DataFrame, setting: Sequence[str], key: Sequence[Any]) -> pd.DataFrame:
    for column, value in zip(setting, key, strict=True):
        rows = rows[rows[column] == value]
    return rows


def _spread(values: list[Any], most: int) -> list[Any]:
    """At most so many of the sorted values: both ends and what lies evenly between them."""
    picks = np.unique(np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int))
    return [values[pick] for pick in picks]


def _row_title(key: dict[str, Any]) -> str:
    kinds = [kinship(name, key[name]) for name in KINDS if name in key]
    sizes = [f"{role} dim {key[name]}" for role in ROLES if (name := f"latent_dim_{role}") in key]
    plain = [str(value) for name, value in key.items() if name not in KINDS and not name.startswith("latent_dim_")]
    return "\n".join([*kinds, *sizes, *plain])


def _ticks(axes: "Axes", values: npt.NDArray[np.float64]) -> None:
    """Equal steps with the values as ticks: both axes span decades, and λ has a zero."""
    crowded = len(values) > MOST_TICKS
    skipped = [crowded and bool(value) and (len(values) - 1 - place) % 2 for place, value in enumerate(values)]
    names = ["" if skip else _short(value) for skip, value in zip(skipped, values, strict=True)]
    axes.set_xticks(range(len(values)), names)


def _short(value: float) -> str:
    """A value as it fits under a tick: 1e-4 is 10⁻⁴."""
    power = math.log10(value) if value > 0 else 0.0
    if value > 0 and power < -2 and power == round(power):
        return f"$10^{{{round(power)}}}$"
    return f"{value:g}"
