"""The merging report: accuracy and loss by recipe, beside the fine-tuned models, their best and their ensemble.

Every number is a mean over runs (checkpoints and seeds of fine-tuning), with the standard deviation over them and
their number n. Differences are taken within each run, then averaged.
"""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.merging.summary import averaged, brief, by_family, families_of, per_run, settings_of, shown
from framework.errors import SashikoError
from framework.report.forest import ROW, Row, forest
from framework.report.heatmap import CELL, by_column, heatmap
from framework.report.intervals import of_replicates
from framework.report.panels import panel_grid
from framework.report.report import Report
from framework.report.style import COLOURS, COLUMN_WIDTH, PAGE_WIDTH, REFERENCE, new_figure, styled

if TYPE_CHECKING:
    from framework.tracking.results import Results

# Further tables: by name the keys within a setting, and the numbers to average.
AVERAGED = {
    "tasks": (("family", "stage", "recipe", "split", "task"), ("accuracy", "cross_entropy")),
    "choices": (("family",), ("scale", "num_kept", "val_score")),
}


def report(results: "Results") -> Report:
    """Tables and figures from what merging runs log (`study.py`).

    The table has, by setting and family, `accuracy_<split>` in [0, 1], `cross_entropy_<split>` in nats, the
    differences of test accuracies `pp_over_parents` (their mean), `pp_over_best_parent` (the best on val) and
    `pp_over_ensemble`, in percentage points, and `seconds`.

    Raises:
        SashikoError: no run has logged the table `models`.
    """
    if "models" not in results.tables or results.tables["models"].empty:
        raise SashikoError("no finished merging run has logged the table `models`: run some points first")
    settings = settings_of(results)
    names = [str(name) for name in settings if name != "run_id"]
    runs = settings.merge(per_run(results.tables["models"]), on="run_id")
    table = by_family(runs, names)
    more: dict[str, pd.DataFrame] = {}
    for name, (keys, values) in AVERAGED.items():
        logged = results.tables[name] if name in results.tables else pd.DataFrame()
        if not logged.empty:
            rows = settings.merge(logged.assign(recipe=logged["recipe"].fillna("")), on="run_id")
            rows = rows.assign(**{value: pd.to_numeric(rows[value]) for value in values})
            more[name] = averaged(_with_family(rows), [*names, *keys], values)
    figures = {
        "difference_by_family": partial(difference_by_family, runs, tuple(names)),
        "accuracy_by_family": partial(accuracy_by_family, runs, tuple(names)),
    }
    notes = [
        "test accuracy in per cent, mean ± standard deviation over the runs of a scenario; pp: percentage points "
        "over the mean of a run's fine-tuned models. best_parent is the best on val, where all is chosen.",
    ]
    return Report(table, figures, partial(brief, table, names), more, notes)


def _with_family(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a recipe without a family belong to that of its name."""
    return rows if "family" in rows else rows.assign(family=rows["recipe"], stage="merged")


def difference_by_family(runs: pd.DataFrame, names: tuple[str, ...]) -> Figure:
    """A panel a setting, the best family on top: its test accuracy over that of the mean parent, within each run.

    Dots are means with 95 % intervals over the runs, ticks are runs; what was merged is blue, what it is held
    against grey.
    """
    rows = runs[~runs["family"].eq("parents")]
    families = shown(families_of(rows))
    telling = [name for name in names if rows[name].nunique(dropna=False) > 1] or [names[-1]]
    groups = list(rows.groupby(telling, sort=False, dropna=False))
    with styled():
        height = ROW * len(families) + 0.45
        figure, axes = panel_grid(
            len(groups), min(2, len(groups)), width=PAGE_WIDTH, row_height=height, share=False, extra_height=0.25
        )
        for panel, (key, group) in zip(axes, groups, strict=True):
            panel.set_title(", ".join(map(str, key)))
            panel.axvline(0, color=REFERENCE, linestyle="--", linewidth=0.7, zorder=1)
            found = [_row(family, group) for family in families]
            forest(panel, sorted((row for row in found if np.isfinite(row.mean)), key=lambda row: -row.mean))
        figure.supxlabel("test accuracy over the mean parent (percentage points)", fontsize=8)
    return figure


def _row(family: str, group: pd.DataFrame) -> Row:
    values = group.loc[group["family"] == family, "pp_over_parents"].dropna().to_list()
    colour = COLOURS[0] if family in set(group["recipe"]) else REFERENCE
    if not values:
        return Row(family, *(float("nan"),) * 3, colour)
    return Row(family.replace("_", " "), *of_replicates(values), colour, spread=values)


def accuracy_by_family(runs: pd.DataFrame, names: tuple[str, ...]) -> Figure:
    """Test accuracy in per cent by family and setting, as numbers: within a setting the brighter the better."""
    telling = [name for name in names if runs[name].nunique(dropna=False) > 1] or [names[-1]]
    column = runs[telling].astype(str).agg("\n".join, axis=1)
    wide = (100 * runs["accuracy_test"]).groupby([runs["family"], column], sort=False).mean().unstack()
    wide = wide.reindex(index=[f for f in shown(families_of(runs)) if f in wide.index])
    wide = wide.reindex(columns=list(dict.fromkeys(column)))
    values = wide.to_numpy(dtype=float)
    with styled():
        height = CELL * len(wide) + 0.6 + 0.12 * max(str(name).count("\n") for name in wide.columns)
        figure = new_figure(max(COLUMN_WIDTH, 1.3 + 0.8 * values.shape[1]), height)
        axes = figure.add_subplot()
        rows = [str(family).replace("_", " ") for family in wide.index]
        columns = [str(name).replace("_", " ") for name in wide.columns]
        heatmap(axes, values, by_column(values), rows=rows, columns=columns, text=lambda value: f"{value:.1f}")
        axes.set_title("test accuracy (%)")
    return figure
