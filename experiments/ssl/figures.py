"""Figures of the experiment: accuracy by what was swept, confusion, and diagnostics against accuracy."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from pandas.api.types import is_numeric_dtype

from experiments.ssl.summary import BASELINES, KNN, LINEAR, METHOD, MODEL, labels
from framework.report.ends import End, label_points
from framework.report.forest import ROW as FOREST_ROW
from framework.report.forest import Row, forest
from framework.report.intervals import of_replicates
from framework.report.panels import one_legend, panel_grid
from framework.report.style import COLOURS, MARKERS, PAGE_WIDTH, REFERENCE, styled

LEAST = 3  # values of a factor that make a line
TITLES = {LINEAR: "linear probe", KNN: "nearest neighbours"}
MOST_MATRICES = 10
MOST_SCATTERS = 4
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
    """A row a setting, the best linear probe on top: mean test accuracy with its 95 % interval; ticks are runs."""
    named = labels(runs, columns)
    encoders = (runs[MODEL] == "encoder").groupby(named).all()
    order = runs[LINEAR].astype(float).groupby(named).mean().sort_values(ascending=False).index
    with styled():
        figure, axes = panel_grid(
            2, 2, width=PAGE_WIDTH, row_height=FOREST_ROW * len(order) + 0.5, extra_height=0.25
        )
        for panel, score in zip(axes, (LINEAR, KNN), strict=True):
            panel.set_title(TITLES[score])
            rows = []
            for label in order:
                values = 100 * runs.loc[named == label, score].to_numpy(dtype=float)
                colour = COLOURS[0] if encoders[label] else REFERENCE
                rows.append(Row(str(label), *of_replicates(values), colour, spread=list(values)))
            _baseline(panel, runs, score, along="x")
            forest(panel, rows)
        figure.supxlabel("test accuracy (%)", fontsize=8)
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
    """What is taken for what: a matrix a setting, the fewest mistakes first.

    Of each class's test images the share that the linear probe calls another class; the diagonal, which would
    outshine all else, is left out.
    """
    groups = [group for _, group in confusion.groupby(list(columns), sort=False, dropna=False)]
    matrices = [group.pivot_table(index="true", columns="predicted", values="share_mean") for group in groups]
    wrong = [matrix.to_numpy(dtype=float, copy=True) for matrix in matrices]
    for matrix in wrong:
        np.fill_diagonal(matrix, np.nan)
    order = sorted(range(len(groups)), key=lambda number: float(np.nansum(wrong[number])))[:MOST_MATRICES]
    titles = [labels(groups[number].head(1), columns).iloc[0].replace(", ", ",\n") for number in order]
    most = max(float(np.nanmax(wrong[number])) for number in order)
    height = 1.2 + 0.14 * max(1 + title.count("\n") for title in titles)
    with styled():
        figure, axes = panel_grid(len(order), 5, width=PAGE_WIDTH, row_height=height, extra_height=0.3)
        for panel, number, title in zip(axes, order, titles, strict=True):
            image = panel.imshow(100 * wrong[number], vmin=0, vmax=100 * most, cmap="Blues")
            panel.set_title(title)
            panel.grid(False)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
            panel.yaxis.set_major_locator(MaxNLocator(integer=True))
        figure.supxlabel("taken for class", fontsize=8)
        figure.supylabel("class", fontsize=8)
        figure.colorbar(image, ax=axes, shrink=0.8, label="% of the class")
    return figure


def diagnostics_by_tau(taus: pd.DataFrame) -> Figure:
    """Which diagnostic tells the linear probe's accuracy: Kendall's τ over the encoders, with its interval."""
    known = taus[taus["tau"].notna()]
    known = known.iloc[np.argsort(-known["tau"].abs().to_numpy(dtype=float))]
    colours = {place: COLOURS[number] for number, place in enumerate(dict.fromkeys(taus["place"]))}
    with styled():
        figure, (axes,) = panel_grid(1, 1, row_height=FOREST_ROW * len(known) + 0.4, extra_height=0.3)
        axes.axvline(0, color=REFERENCE, linewidth=0.7, zorder=1)
        rows = known.to_dict("records")
        forest(axes, [Row(r["measure"], r["tau"], r["low"], r["high"], colours[r["place"]]) for r in rows])
        for place, colour in colours.items():
            axes.plot([], [], "o", color=colour, label=place)
        axes.set_xlim(-1, 1)
        axes.set_xlabel("Kendall's τ with the linear probe, 95 % interval")
        one_legend(figure, [axes])
    return figure


def diagnostics_and_accuracy(runs: pd.DataFrame, diagnoses: pd.DataFrame, taus: pd.DataFrame) -> Figure:
    """The diagnostics with the largest |τ|, a panel each: an encoder's number against its linear probe.

    A method's name stands at the middle of its encoders; where several lie together, at the first from below.
    """
    encoders = runs[runs[MODEL] == "encoder"].set_index("run_id")
    y = 100 * encoders[LINEAR].to_numpy(dtype=float)
    known = taus[taus["tau"].notna()]
    best = known.iloc[np.argsort(-known["tau"].abs().to_numpy(dtype=float))][:MOST_SCATTERS].to_dict("records")
    with styled():
        figure, axes = panel_grid(len(best), 2, width=PAGE_WIDTH, row_height=2.0, extra_height=0.3, share=False)
        names = []
        for panel, told in zip(axes, best, strict=True):
            chosen = diagnoses[(diagnoses["place"] == told["place"]) & (diagnoses["measure"] == told["measure"])]
            x = chosen.set_index("run_id")["value"].reindex(encoders.index).to_numpy(dtype=float)
            panel.plot(x, y, "o", color=COLOURS[0], markersize=2.6, alpha=0.6, markeredgewidth=0)
            known_x = x[np.isfinite(x)]
            if len(known_x) and known_x.min() > 0 and known_x.max() > FAR * np.median(known_x):
                panel.set_xscale("log")
            means = pd.DataFrame({"x": x, "y": y}).groupby(encoders[METHOD].to_numpy()).mean().sort_values("y")
            names.append([End(str(m), row["x"], row["y"], "black") for m, row in means.iterrows()])
            panel.set_title(f"τ = {told['tau']:.2f} [{told['low']:.2f}, {told['high']:.2f}]")
            panel.set_xlabel(f"{told['measure']}, {told['place']}")
        figure.supylabel("linear probe, test accuracy (%)", fontsize=8)
        for panel, points in zip(axes, names, strict=True):
            label_points(panel, points)
    return figure


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
