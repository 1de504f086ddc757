"""Figures of any sweep, whatever its runs are of: the groups ranked, and the metric over what is a number.

They know nothing but columns: factors that were configured, seeds among them, and a metric.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from framework.report.comparison import estimates
from framework.report.forest import ROW, Row, forest
from framework.report.panels import panel_grid, score_axis
from framework.report.report import Draw
from framework.report.style import COLOURS, PAGE_WIDTH, REFERENCE, styled

MOST_ROWS, MOST_PANELS, LONGEST = 20, 6, 44
FEWEST = 3  # values that make a line


def figures_of(frame: pd.DataFrame, factors: Sequence[str], metric: str, *, maximize: bool) -> dict[str, Draw]:
    """What can be drawn of finished runs.

    Args:
        frame: A row a run.
        factors: Columns that tell groups apart; what else varies are replicates.
        metric: A column of numbers.
        maximize: Whether higher is better.
    """
    frame = frame.assign(**{metric: pd.to_numeric(frame[metric], errors="coerce")})
    frame = frame[np.isfinite(frame[metric].to_numpy(dtype=float, na_value=np.nan))]
    if frame.empty or not factors:
        return {}
    found: dict[str, Draw] = {"ranking": partial(ranking, frame, tuple(factors), metric, maximize=maximize)}
    numeric = [name for name in factors if _is_number(frame[name]) and frame[name].nunique() >= FEWEST]
    if numeric:
        found["by_factor"] = partial(by_factor, frame, tuple(numeric[:MOST_PANELS]), metric)
    return found


def ranking(frame: pd.DataFrame, factors: Sequence[str], metric: str, *, maximize: bool) -> Figure:
    """The best groups, the best on top: means with their 95 % intervals over replicates; ticks are runs."""
    groups = _groups(frame, factors, metric)
    order = sorted(groups, key=lambda name: groups[name][0], reverse=maximize)[:MOST_ROWS]
    with styled():
        height = ROW * len(order) + 0.55
        figure, (axes,) = panel_grid(1, 1, width=PAGE_WIDTH, row_height=height, extra_height=0.1)
        forest(axes, [Row(name, *groups[name][:3], COLOURS[0], spread=groups[name][3]) for name in order])
        values = np.concatenate([groups[name][3] for name in order])
        score_axis(axes, float(values.min()), float(values.max()), along="x")
        axes.set_xlabel(metric)
        if len(order) < len(groups):
            axes.set_title(f"the best {len(order)} of {len(groups)} groups")
    return figure


def by_factor(frame: pd.DataFrame, numeric: Sequence[str], metric: str) -> Figure:
    """A panel a factor that is a number: every run, and the mean of those that share its value."""
    with styled():
        across = min(3, len(numeric))
        figure, axes = panel_grid(len(numeric), across, width=PAGE_WIDTH, row_height=1.7, share=False)
        for panel, name in zip(axes, numeric, strict=True):
            x = pd.to_numeric(frame[name], errors="coerce")
            panel.plot(x, frame[metric], "o", color=REFERENCE, markersize=2, alpha=0.4, markeredgewidth=0)
            means = frame.groupby(x)[metric].mean()
            panel.plot(means.index.to_numpy(), means.to_numpy(), "-o", color=COLOURS[0])
            if x.min() > 0 and x.max() > 10 * x.min():
                panel.set_xscale("log")
            score_axis(panel, float(frame[metric].min()), float(frame[metric].max()))
            panel.set_xlabel(name)
        figure.supylabel(metric, fontsize=8)
    return figure


def _groups(
    frame: pd.DataFrame, factors: Sequence[str], metric: str
) -> Mapping[str, tuple[float, float, float, Sequence[float]]]:
    """By name the mean of each group, the ends of its interval (NaN of one run), and its values."""
    names = frame[list(factors)].apply(
        lambda row: ", ".join(f"{key.rsplit('.', 1)[-1]}={value}" for key, value in row.items() if _told(value)),
        axis=1,
    )
    found = {}
    for name, values in frame[metric].groupby(names, sort=False):
        numbers = values.to_numpy(dtype=float)
        told = estimates(numbers, np.zeros(len(numbers), dtype=np.intp), 1)
        label = str(name) if len(str(name)) <= LONGEST else f"{str(name)[: LONGEST - 1]}…"
        while label in found:
            label += " "
        found[label] = (float(told["mean"][0]), float(told["low"][0]), float(told["high"][0]), list(numbers))
    return found


def _told(value: object) -> bool:
    return isinstance(value, list | dict) or not pd.isna(value)  # type: ignore[call-overload]


def _is_number(values: "pd.Series[float]") -> bool:
    return is_numeric_dtype(values) and not is_bool_dtype(values)
