"""Figures of the experiment: accuracy by what was swept, confusion, and diagnostics against accuracy."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from pandas.api.types import is_numeric_dtype

from experiments.ssl.summary import BASELINES, KNN, LINEAR, METHOD, MODEL, labels
from framework.report.panels import one_legend, panel_grid
from framework.report.style import COLOURS, MARKERS, PAGE_WIDTH, REFERENCE, styled

ROW = 0.17  # inches
LEAST = 3  # values of a factor that make a line
TITLES = {LINEAR: "linear probe", KNN: "nearest neighbours"}
SHOWN = ("spread", "std_batch", "rankme", "alpha_req", "lidar", "Cor_batch_ik_10")
MOST_MATRICES = 12
MOST_TICKS = 8  # values of a factor that are written at the axis
MOST_BANDS = 8  # lines of which each has its band
FAR = 20  # times the median, from which on values are drawn on a logarithmic axis


def factor_of(runs: pd.DataFrame, columns: Sequence[str]) -> str | None:
    """The numeric factor with most values, if it has enough of them for a line."""
    encoders = runs[runs[MODEL] == "encoder"]
    counts: dict[str, int] = {}
    for name in columns:
        values = pd.Series(encoders[name].to_list()).infer_objects()
        if name != METHOD and is_numeric_dtype(values) and values.dtype != bool:
            counts[name] = int(values.nunique())
    best = max(counts, key=lambda name: counts[name], default=None)
    return best if best is not None and counts[best] >= LEAST else None


def accuracy_by_setting(runs: pd.DataFrame, columns: Sequence[str]) -> Figure:
    """A row a setting: the test accuracy of a linear probe and of neighbours; a dot a run, and the mean."""
    named = labels(runs, columns)
    rows = list(dict.fromkeys(named))
    with styled():
        figure, axes = panel_grid(2, 2, width=PAGE_WIDTH, row_height=ROW * len(rows) + 0.6, extra_height=0.05)
        for panel, score in zip(axes, (LINEAR, KNN), strict=True):
            panel.set_title(TITLES[score])
            for place, label in enumerate(rows):
                chosen = runs[named == label]
                values = 100 * chosen[score].to_numpy(dtype=float)
                colour = COLOURS[0] if (chosen[MODEL] == "encoder").all() else REFERENCE
                panel.plot(values, [place] * len(values), "o", color=colour, markersize=2.4, alpha=0.5)
                panel.plot(values.mean(), place, "D", color=colour, markersize=4)
            _baseline(panel, runs, score, along="x")
            panel.set_yticks(range(len(rows)), rows)
            panel.set_ylim(len(rows) - 0.5, -0.5)
            panel.set_xlabel("test accuracy (%)")
    return figure


def accuracy_by_factor(runs: pd.DataFrame, columns: Sequence[str], factor: str) -> Figure:
    """Lines over a numeric factor, one for each of the other settings: means over seeds.

    Of few lines each has a band of one standard deviation.
    """
    encoders = runs[runs[MODEL] == "encoder"]
    rest = [name for name in columns if name != factor and encoders[name].nunique(dropna=False) > 1]
    lines = labels(encoders, rest) if rest else pd.Series("encoder", encoders.index)
    with styled():
        bands = lines.nunique() <= MOST_BANDS
        figure, axes = panel_grid(2, 2, width=PAGE_WIDTH, row_height=2.1, extra_height=0.5)
        for panel, score in zip(axes, (LINEAR, KNN), strict=True):
            panel.set_title(TITLES[score])
            for number, label in enumerate(dict.fromkeys(lines)):
                _line(panel, encoders[lines == label], factor, score, number, str(label), bands=bands)
            if is_numeric_dtype(pd.Series(runs[factor].to_list())):  # baselines depend on it, too
                _baseline_line(panel, runs, factor, score)
            else:
                _baseline(panel, runs, score, along="y")
            panel.set_xlabel(factor.replace("_", " "))
            values = encoders[factor].to_numpy(dtype=float)
            if values.min() > 0 and values.max() > 10 * values.min():
                panel.set_xscale("log")
            ticks = sorted(set(values))
            if len(ticks) <= MOST_TICKS:
                panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
                panel.xaxis.set_minor_locator(NullLocator())
        axes[0].set_ylabel("test accuracy (%)")
        one_legend(figure, axes)
    return figure


def confusion_matrices(confusion: pd.DataFrame, columns: Sequence[str]) -> Figure:
    """A matrix a setting: of each class's test images the share that the linear probe calls each class."""
    groups = [group for _, group in confusion.groupby(list(columns), sort=False, dropna=False)][:MOST_MATRICES]
    titles = [labels(group.head(1), columns).iloc[0].replace(", ", ",\n") for group in groups]
    height = 1.75 + 0.14 * max(1 + title.count("\n") for title in titles)
    with styled():
        figure, axes = panel_grid(len(groups), 4, width=PAGE_WIDTH, row_height=height, extra_height=0.1)
        for panel, group, title in zip(axes, groups, titles, strict=True):
            matrix = group.pivot_table(index="true", columns="predicted", values="share_mean")
            image = panel.imshow(matrix.to_numpy(), vmin=0, vmax=1, cmap="Blues")
            panel.set_title(title, fontsize=7)
            panel.grid(False)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
            panel.yaxis.set_major_locator(MaxNLocator(integer=True))
        figure.supxlabel("predicted class", fontsize=8)
        figure.supylabel("class", fontsize=8)
        figure.colorbar(image, ax=axes, shrink=0.6, label="share of the class")
    return figure


def diagnostics_and_accuracy(
    runs: pd.DataFrame, diagnoses: pd.DataFrame, taus: pd.DataFrame, measures: Sequence[str] = SHOWN
) -> Figure:
    """A panel a diagnostic and place: each encoder's number against its linear probe, and τ above."""
    encoders = runs[runs[MODEL] == "encoder"].set_index("run_id")
    methods = list(dict.fromkeys(encoders[METHOD]))
    places = list(dict.fromkeys(diagnoses["place"]))
    told = taus.set_index(["place", "measure"])
    with styled():
        figure, axes = panel_grid(
            len(measures) * len(places), len(measures) // 2, width=PAGE_WIDTH, row_height=1.6, share=False
        )
        cells = [(place, measure) for place in places for measure in measures]
        for panel, (place, measure) in zip(axes, cells, strict=True):
            chosen = diagnoses[(diagnoses["place"] == place) & (diagnoses["measure"] == measure)]
            x = chosen.set_index("run_id")["value"].reindex(encoders.index).to_numpy(dtype=float)
            for number, method in enumerate(methods):
                own = (encoders[METHOD] == method).to_numpy()
                colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number // len(COLOURS) % len(MARKERS)]
                y = 100 * encoders[LINEAR].to_numpy(dtype=float)[own]
                panel.plot(x[own], y, marker, color=colour, markersize=2.6, alpha=0.7, label=method)
            _told(panel, told, place, measure)
            known = x[np.isfinite(x)]
            if len(known) and known.min() > 0 and known.max() > FAR * np.median(known):
                panel.set_xscale("log")
        one_legend(figure, axes, columns=6)
    return figure


def _told(panel: Axes, taus: pd.DataFrame, place: str, measure: str) -> None:
    tau, low, high = (float(taus[name].to_dict()[(place, measure)]) for name in ("tau", "low", "high"))
    panel.set_title(f"τ = {tau:.2f} [{low:.2f}, {high:.2f}]")
    panel.set_xlabel(f"{measure}, {place}")
    panel.set_ylabel("linear (%)")


def _line(
    panel: Axes, rows: pd.DataFrame, factor: str, score: str, number: int, label: str, *, bands: bool
) -> None:
    found = rows.assign(x=rows[factor].astype(float), y=100 * rows[score].astype(float)).groupby("x")["y"]
    mean, spread = found.mean(), found.std(ddof=1).fillna(0)
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number // len(COLOURS) % len(MARKERS)]
    panel.plot(mean.index, mean.to_numpy(), color=colour, marker=marker, label=label)
    if bands:
        low, high = (mean - spread).to_numpy(), (mean + spread).to_numpy()
        panel.fill_between(mean.index.to_numpy(), low, high, color=colour, alpha=0.15, linewidth=0)


def _baseline_line(panel: Axes, runs: pd.DataFrame, factor: str, score: str) -> None:
    """A dashed line through the means of each kind of backbone without training."""
    for method in BASELINES.values():
        rows = runs[(runs[METHOD] == method) & runs[score].notna()]
        if rows.empty:
            continue
        means = 100 * rows[score].astype(float).groupby(rows[factor].astype(float)).mean()
        panel.plot(
            means.index, means.to_numpy(), color=REFERENCE, linestyle="--", linewidth=0.7, zorder=1, label=method
        )


def _baseline(panel: Axes, runs: pd.DataFrame, score: str, *, along: str) -> None:
    """A dashed line at the mean of each kind of backbone without training."""
    for method in BASELINES.values():
        values = runs.loc[runs[METHOD] == method, score].to_numpy(dtype=float)
        if not np.isfinite(values).any():
            continue
        draw = panel.axvline if along == "x" else panel.axhline
        draw(
            100 * float(np.nanmean(values)), color=REFERENCE, linestyle="--", linewidth=0.7, zorder=1, label=method
        )
