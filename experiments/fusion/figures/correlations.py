"""How metrics move with accuracy and generalisation gap, over the seeds: a dot a metric and family."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.fusion.figures.looks import Looks
from framework.report.panels import one_legend, panel_grid
from framework.report.style import COLUMN_WIDTH, REFERENCE, styled

METHOD = "kendall"
STEP = 0.075  # inches between the families of a metric
SHORT = 12  # characters of a name, of which four fit beside one another
GAP = 0.08  # inches between two metrics


def correlation_dots(correlations: pd.DataFrame, looks: Looks) -> Figure:
    """Kendall's tau with its confidence interval, from -1 to 1; what is undefined has no dot."""
    rows = correlations[(correlations["method"] == METHOD) & correlations["coefficient"].notna()]
    metrics = list(correlations["metric"].drop_duplicates())
    families = looks.shown(rows["family"])
    targets = list(correlations["against"].drop_duplicates())
    with styled():
        height = len(metrics) * (STEP * max(len(families), 1) + GAP) + 0.45
        figure, axes = panel_grid(
            len(targets), 2, width=COLUMN_WIDTH, row_height=height, extra_height=0.55, share=False
        )
        for number, (panel, target) in enumerate(zip(axes, targets, strict=True)):
            _draw(panel, rows[rows["against"] == target], metrics, families, looks)
            panel.set_title(_words(target))
            panel.set_yticks(range(len(metrics)), [_words(metric) for metric in metrics], fontsize=6)
            panel.tick_params(axis="y", labelleft=number % 2 == 0, length=0)
            panel.set_ylim(len(metrics) - 0.5, -0.5)
            panel.set_xlim(-1.12, 1.12)
            panel.set_xticks([-1, 0, 1])
        figure.supxlabel("Kendall's τ over the seeds, 95 % interval", fontsize=8)
        short = all(len(family) <= SHORT for family in families)
        one_legend(figure, axes, columns=4 if short else 3)
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, metrics: list[str], families: list[str], looks: Looks) -> None:
    axes.axvline(0, color=REFERENCE, linewidth=0.7, zorder=1)
    for edge in range(1, len(metrics)):
        axes.axhline(edge - 0.5, color="#E4E4E4", linewidth=0.5, zorder=0)
    axes.grid(visible=False, axis="y")
    step = STEP / (STEP * max(len(families), 1) + GAP)  # of the height of a metric
    for number, family in enumerate(families):
        found, look = rows[rows["family"] == family], looks.of_family(family)
        at = [metrics.index(metric) + (number - (len(families) - 1) / 2) * step for metric in found["metric"]]
        axes.hlines(at, found["ci_low"], found["ci_high"], color=look.colour, linewidth=0.8, zorder=2)
        axes.plot(
            found["coefficient"], at, look.marker, color=look.colour, markersize=3.4, markeredgewidth=0,
            label=look.name, zorder=3,
        )  # fmt: skip


def _words(name: str) -> str:
    return name.replace("_", " ")
