"""Which figures there are: a name and a function that draws it, for what has been logged."""

import re
from collections.abc import Mapping
from functools import partial

import pandas as pd

from experiments.fusion.figures.correlations import correlation_dots
from experiments.fusion.figures.lines import interpolation, over_layers
from experiments.fusion.figures.looks import PARENTS, Look, Looks
from experiments.fusion.figures.points import points
from experiments.fusion.settings import Settings
from framework.report.report import Draw

SPLIT = "test"
LABELS = {
    "accuracy": f"{SPLIT} accuracy (%)",
    "cross_entropy": f"{SPLIT} cross-entropy (nats)",
    "cost": "cost of the plan / recipe's mean",
    "diagonal": "mass on the diagonal (%)",
}
BARRIERS = {"cross_entropy": "cross-entropy (nats)", "error": "error (share)"}
ARROWS = {"lower": "↓", "higher": "↑"}
METRICS_ACROSS = 4


def score_figures(runs: pd.DataFrame, looks: Looks, settings: Settings) -> dict[str, Draw]:
    """Accuracy and loss by family: a dot a run, the mean, its standard deviation; dashed: the parents' mean."""
    rows = {family: looks.of_family(family) for family in looks.shown(looks.families)}
    figures: dict[str, Draw] = {}
    for metric in ("accuracy", "cross_entropy"):
        panels = [
            (title, found.rename(columns={"family": "row", f"{metric}_{SPLIT}": "value"}))
            for title, found in settings.panels(runs[runs["family"].isin(rows)])
        ]
        figures[f"{metric}_by_family"] = partial(
            points,
            panels,
            rows,
            across=min(2, len(panels)),
            labels=[LABELS[metric]],
            shares=metric == "accuracy",
            reference=PARENTS,
        )
    return figures


def line_figures(tables: Mapping[str, pd.DataFrame], looks: Looks, settings: Settings) -> dict[str, Draw]:
    """The straight line between the parents, and the plans over the layers, from aggregated tables."""
    figures: dict[str, Draw] = {}
    if "curve" in tables:
        panels = list(settings.panels(tables["curve"][tables["curve"]["split"] == SPLIT]))
        for metric in ("accuracy", "cross_entropy") if panels else ():
            figures[f"interpolation_{metric}"] = partial(interpolation, panels, looks, metric, LABELS[metric])
    if "layers" in tables:
        for metric in ("cost", "diagonal"):
            panels = list(settings.panels(tables["layers"]))
            if metric == "cost":
                panels = [(title, _relative_cost(rows)) for title, rows in panels]
            figures[f"plan_{metric}"] = partial(over_layers, panels, looks, metric, LABELS[metric])
    return figures


def _relative_cost(rows: pd.DataFrame) -> pd.DataFrame:
    """Costs over the mean of their recipe: those of two recipes are seldom in one unit."""
    scale = rows.groupby("recipe")["cost_mean"].transform(lambda costs: costs.abs().mean() or 1.0)
    return rows.assign(cost_mean=rows["cost_mean"] / scale, cost_std=rows["cost_std"] / scale)


def barrier_figures(barriers: pd.DataFrame, looks: Looks, settings: Settings) -> dict[str, Draw]:
    """How far the straight line between the parents rises above its ends: a dot a run; 0 is no barrier."""
    barriers = barriers[barriers["split"] == SPLIT].rename(columns={"recipe": "row", "barrier": "value"})
    present = set(barriers["row"])
    rows = {recipe: looks.of_recipe(recipe)._replace(marker="o") for recipe in looks.recipes if recipe in present}
    panels, labels = [], []
    for title, found in settings.panels(barriers):
        for metric, label in BARRIERS.items():
            panels.append((title, found[found["metric"] == metric]))
            labels.append(f"barrier of {SPLIT} {label}")
    return {"barriers": partial(points, panels, rows, across=2, labels=labels)} if panels else {}


def metric_figures(measured: pd.DataFrame, looks: Looks, settings: Settings) -> dict[str, Draw]:
    """A figure a setting with a panel a metric: a dot a run; the arrow says what is better."""
    rows: dict[str, Look] = {family: looks.of_family(family) for family in looks.shown(measured["family"])}
    figures: dict[str, Draw] = {}
    for title, found in settings.panels(measured.rename(columns={"family": "row"})):
        panels = []
        for key, values in found.groupby(["metric", "split", "better"], sort=False):
            metric, split, better = map(str, key) if isinstance(key, tuple) else (str(key), "", "")
            several = found.loc[found["metric"] == metric, "split"].nunique() > 1
            name = metric.replace("_", " ") + (f" ({split})" if several else "")
            panels.append((f"{name} {ARROWS.get(better, '')}".strip(), values))
        across = min(METRICS_ACROSS, len(panels))
        figures[_name("metrics_by_family", title, settings)] = partial(points, panels, rows, across=across)
    return figures


def correlation_figures(correlations: pd.DataFrame, looks: Looks, settings: Settings) -> dict[str, Draw]:
    """A figure a setting: Kendall's tau of every metric with what it is held against, and its interval."""
    return {
        _name("correlations", title, settings): partial(correlation_dots, rows, looks)
        for title, rows in settings.panels(correlations)
    }


def _name(stem: str, title: str, settings: Settings) -> str:
    return f"{stem}_{re.sub(r'[^a-z0-9]+', '_', title.lower()).strip('_')}" if settings.telling else stem
