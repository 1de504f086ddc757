"""A line a recipe with a band of one standard deviation, a panel a setting: on the way, and over layers."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.fusion.figures.axes import share_axis, value_axis
from experiments.fusion.figures.looks import Looks
from framework.report.panels import one_legend, panel_grid
from framework.report.style import COLUMN_WIDTH, PAGE_WIDTH, styled

NAMED = 8  # layers whose names fit below a panel
THIN = 3  # lines: with more of them, bands are lighter
SHARES = ("accuracy", "diagonal")


def interpolation(panels: Sequence[tuple[str, pd.DataFrame]], looks: Looks, metric: str, label: str) -> Figure:
    """The metric along the straight line from the first parent to the other one in the first one's basis."""
    figure, axes = _lines(panels, looks, "place", metric, label)
    for panel in axes:
        panel.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    _label(figure, axes, "x", "place: 0 parent 1, 1 parent 2, aligned")
    return figure


def over_layers(panels: Sequence[tuple[str, pd.DataFrame]], looks: Looks, metric: str, label: str) -> Figure:
    """What the plans cost, or how much of their mass lies on the diagonal, from the image on.

    Costs come as multiples of their recipe's mean, because those of two recipes are seldom in one unit. Recipes of
    one plan, which differ in what they do after it, are one line.
    """
    panels = [(title, _by_plan(rows, metric)) for title, rows in panels]
    named = all(rows["order"].nunique() <= NAMED for _, rows in panels)
    figure, axes = _lines(panels, looks, "order", metric, label, below=0.35 if named else 0.0)
    for panel, (_, rows) in zip(axes, panels, strict=True):
        layers = rows.drop_duplicates("order").sort_values("order")
        if named:
            panel.set_xticks(layers["order"], layers["basis"], rotation=40, ha="right", fontsize=6)
        else:
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    _label(figure, axes, "x", "layer, from the image on")
    return figure


def _lines(
    panels: Sequence[tuple[str, pd.DataFrame]], looks: Looks, x: str, metric: str, label: str, below: float = 0.0
) -> tuple[Figure, list[Axes]]:
    across = 1 if len(panels) == 1 else 2 if len(panels) in (2, 4) else 3
    with styled():
        figure, axes = panel_grid(
            len(panels),
            across,
            width=COLUMN_WIDTH if across < 3 else PAGE_WIDTH,
            row_height=(1.9 if across == 1 else 1.45) + below,
            extra_height=0.75,
            share=False,
        )
        for panel, (title, rows) in zip(axes, panels, strict=True):
            panel.set_title(title)
            _draw(panel, rows, looks, x, metric)
            means = rows[f"{metric}_mean"].to_numpy(dtype=float)
            share_axis(panel, means, "y") if metric in SHARES else value_axis(panel, means, "y")
        _label(figure, axes, "y", label)
        one_legend(figure, axes, columns=3 if across < 3 else 6)
    return figure, axes


def _by_plan(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows without recipes whose values are another one's, which has their names in the column `also`."""
    first: dict[tuple[float, ...], str] = {}
    also: dict[str, list[str]] = {}
    for recipe, line in rows.groupby("recipe", sort=False):
        values = tuple(line.sort_values("order")[f"{metric}_mean"].round(9))
        also.setdefault(first.setdefault(values, str(recipe)), []).append(str(recipe))
    kept = rows[rows["recipe"].isin(also)]
    return kept.assign(also=kept["recipe"].map(lambda recipe: ", ".join(also[recipe][1:])))


def _label(figure: Figure, axes: Sequence[Axes], along: Literal["x", "y"], text: str) -> None:
    """Below or beside the only panel, or all of them."""
    if len(axes) == 1:
        axes[0].set(**{f"{along}label": text})
    elif along == "x":
        figure.supxlabel(text, fontsize=8)
    else:
        figure.supylabel(text, fontsize=8)


def _draw(axes: Axes, rows: pd.DataFrame, looks: Looks, x: str, metric: str) -> None:
    present = set(rows["recipe"])
    recipes = [recipe for recipe in looks.recipes if recipe in present]
    for recipe in recipes:
        line, look = rows[rows["recipe"] == recipe].sort_values(x), looks.of_recipe(recipe)
        mean, std = line[f"{metric}_mean"], line[f"{metric}_std"].fillna(0)
        others = line["also"].iloc[0] if "also" in line else ""
        axes.plot(
            line[x], mean, look.line, color=look.colour, marker=look.marker, markevery=0.25, markeredgewidth=0,
            label=", ".join(filter(None, (look.name, others))),
        )  # fmt: skip
        # On a logarithmic axis a band that reaches zero would swallow the panel.
        low = mean - std if metric in SHARES else (mean - std).clip(lower=0.5 * mean)
        axes.fill_between(
            line[x], low, mean + std, color=look.colour, alpha=0.15 if len(recipes) <= THIN else 0.1, linewidth=0
        )
