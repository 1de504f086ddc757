"""The merging report: accuracy and loss by recipe, beside the fine-tuned models, their best and their ensemble.

Every number is a mean over runs (checkpoints and seeds of fine-tuning), with the standard deviation over them and
their number n. Differences are taken within each run, then averaged.
"""

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from experiments.merging.summary import averaged, brief, by_family, families_of, per_run, settings_of, shown
from framework.errors import SashikoError
from framework.report.panels import panel_grid
from framework.report.report import Report
from framework.report.style import COLOURS, PAGE_WIDTH, REFERENCE, styled

if TYPE_CHECKING:
    from framework.tracking.results import Results

ROW = 0.15  # inches
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
    figures = {"difference_by_family": partial(difference_by_family, runs, tuple(names))}
    notes = [
        "test accuracy in per cent, mean ± standard deviation over the runs of a scenario; pp: percentage points "
        "over the mean of a run's fine-tuned models. best_parent is the best on val, where all is chosen.",
    ]
    return Report(table, figures, partial(brief, table, names), more, notes)


def _with_family(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a recipe without a family belong to that of its name."""
    return rows if "family" in rows else rows.assign(family=rows["recipe"], stage="merged")


def difference_by_family(runs: pd.DataFrame, names: tuple[str, ...]) -> Figure:
    """A panel a setting: each family's test accuracy over that of the mean parent; a dot a run, and their mean."""
    rows = runs[~runs["family"].eq("parents")]
    families = shown(families_of(rows))
    telling = [name for name in names if rows[name].nunique(dropna=False) > 1] or [names[-1]]
    groups = list(rows.groupby(telling, sort=False, dropna=False))
    with styled():
        height = ROW * len(families) + 0.62
        figure, axes = panel_grid(
            len(groups), min(2, len(groups)), width=PAGE_WIDTH, row_height=height, share=False, extra_height=0.05
        )
        for panel, (key, group) in zip(axes, groups, strict=True):
            panel.set_title(", ".join(map(str, key)))
            panel.axvline(0, color=REFERENCE, linestyle="--", linewidth=0.7, zorder=1)
            for place, family in enumerate(families):
                values = group.loc[group["family"] == family, "pp_over_parents"].to_numpy(dtype=float)
                colour = COLOURS[0] if family in set(group["recipe"]) else REFERENCE
                panel.plot(values, [place] * len(values), "o", color=colour, markersize=2.4, alpha=0.5)
                panel.plot(values.mean(), place, "D", color=colour, markersize=4)
            panel.set_yticks(range(len(families)), families)
            panel.set_ylim(len(families) - 0.5, -0.5)
            panel.set_xlabel("test accuracy over the mean parent (pp)")
    return figure
