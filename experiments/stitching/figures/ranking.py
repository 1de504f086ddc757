"""The answer at one glance: every mapping's score, the best on top, with its interval, beside the parents.

A filled dot is the mean at the most anchors with the 95 % interval over models and draws, a hollow one the mean at
the fewest; faint ticks are single pairs of models. λ is chosen on val (`selection.shown`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.stitching.figures.lines import parents
from experiments.stitching.figures.looks import FAMILIES, KINDS, Score, kinship, look
from experiments.stitching.selection import PLACE, scored, shown
from framework.report.forest import ROW, Row, forest
from framework.report.panels import one_legend, panel_grid, score_axis
from framework.report.style import COLUMN_WIDTH, PAGE_WIDTH, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def ranking(results: pd.DataFrame, score: Score, setting: Sequence[str]) -> "Figure":
    """A panel a setting; mappings in the order of their mean over all settings, the same in each panel."""
    name = f"{score.key}_stitched"
    chosen = shown(results, score)
    table = scored(chosen, [*setting, *PLACE], name)
    fewest, most = chosen["num_samples"].min(), chosen["num_samples"].max()
    ends = chosen[chosen["num_samples"] == most]
    means = ends.groupby("mapping")[name].mean().sort_values(ascending=not score.higher_is_better)
    groups = list(ends.groupby(list(setting), sort=True, dropna=False)) if setting else [((), ends)]
    across = min(2, len(groups))
    with styled():
        figure, axes = panel_grid(
            len(groups), across, width=COLUMN_WIDTH if across == 1 else PAGE_WIDTH,
            row_height=ROW * len(means) + 0.45, extra_height=0.75,
        )  # fmt: skip
        for panel, (key, rows) in zip(axes, groups, strict=True):
            of_setting = table
            for column, value in zip(setting, key, strict=True):
                of_setting = of_setting[of_setting[column] == value]
            cells = of_setting.set_index(["mapping", "num_samples"])
            forest(panel, [_row(m, rows, cells, fewest, most, name) for m in means.index])
            title = ", ".join(_word(column, value) for column, value in zip(setting, key, strict=True))
            panel.set_title(f"{title}, {most:g} anchors".removeprefix(", "))
            parents(panel, rows, score, vertical=True)
        _legend(figure, axes, fewest, most, [look(m).family for m in means.index])
        spread = pd.concat([ends[name], table.loc[table["num_samples"] == fewest, "mean"]])
        score_axis(axes[0], float(spread.min()), float(spread.max()), along="x")
        figure.supxlabel(score.label, fontsize=8)
    return figure


def _row(mapping: str, rows: pd.DataFrame, cells: pd.DataFrame, fewest: float, most: float, name: str) -> Row:
    values = rows.loc[rows["mapping"] == mapping, name]
    nan = float("nan")
    mean, low, high = (float(cells[part].get((mapping, most), nan)) for part in ("mean", "low", "high"))
    start = float(cells["mean"].get((mapping, fewest), nan)) if fewest != most else nan
    style = look(mapping)
    return Row(style.name, mean, low, high, style.family_colour, start, list(values) if len(values) > 1 else [])


def _legend(figure: "Figure", axes: "Sequence[Axes]", fewest: float, most: float, families: list[str]) -> None:
    first = axes[0]
    for family, members in FAMILIES.items():
        if family in families:
            first.plot([], [], "o", color=look(members[0]).family_colour, label=family)
    if fewest != most:
        edge: dict[str, Any] = {"markeredgecolor": "black", "markeredgewidth": 0.8}
        first.plot([], [], "o", color="white", label=f"with {fewest:g} anchors", **edge)
    one_legend(figure, axes, columns=6)


def _word(name: str, value: object) -> str:
    if name in KINDS:
        return kinship(name, value)
    if name.startswith("latent_dim_"):
        return f"{name.removeprefix('latent_dim_')} dim {value}"
    return str(value)
