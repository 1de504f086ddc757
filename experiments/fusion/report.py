"""The fusion report: accuracy and loss by family, beside parents and ensemble, and what explains them.

A family is a place in the experiment that every run fills with one network: `parent_1`, a recipe, the ensemble, a
recipe's network trained further. Every number is a mean over runs, that is over groups of parents, with the
standard deviation over them and their number n. Differences are taken within each run, then averaged.
"""

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from experiments.fusion.explanations import (
    bound_table,
    correlation_table,
    measured_per_run,
    metric_table,
    search_notes,
)
from experiments.fusion.figures.looks import Looks
from experiments.fusion.figures.overview import (
    barrier_figures,
    correlation_figures,
    line_figures,
    metric_figures,
    score_figures,
)
from experiments.fusion.settings import Settings
from experiments.fusion.summary import averaged, brief, by_family, per_run
from framework.errors import SashikoError
from framework.report.report import Draw, Report

if TYPE_CHECKING:
    from framework.tracking.results import Results

# Further tables: by name the keys within a setting, and the numbers to average.
AVERAGED = {
    "layers": (("recipe", "order", "basis", "units", "target_units"), ("cost", "diagonal")),
    "curve": (("recipe", "split", "place"), ("accuracy", "cross_entropy")),
    "barriers": (("recipe", "split", "metric"), ("barrier",)),
}


def report(results: "Results") -> Report:
    """Tables and figures from what fusion runs log (`study.py`).

    The table has, by setting and family, `accuracy_<split>` in [0, 1], `cross_entropy_<split>` in nats,
    `pp_over_parents` and `pp_over_ensemble`, the difference of test accuracies in percentage points, and
    `seconds`. The family `parents` is the mean of each run's parents.

    Raises:
        SashikoError: no run has logged the table `models`.
    """
    if "models" not in results.tables or results.tables["models"].empty:
        raise SashikoError("no finished fusion run has logged the table `models`: run some points first")
    settings = Settings.of(results)
    logged = {name: settings.join(table) for name, table in _tables(results).items()}
    runs = settings.join(per_run(results.tables["models"]))
    looks = Looks.of(runs)
    table = by_family(runs, settings.names, looks)
    more = {
        name: averaged(logged[name], [*settings.names, *keys], values, looks)
        for name, (keys, values) in AVERAGED.items()
        if name in logged
    }
    figures: dict[str, Draw] = score_figures(runs, looks, settings) | line_figures(more, looks, settings)
    if "barriers" in logged:
        figures |= barrier_figures(logged["barriers"], looks, settings)
    notes: list[str] = []
    if "metrics" in logged:
        measured = measured_per_run(logged["metrics"], settings)
        figures |= metric_figures(measured, looks, settings)
        more["metrics"] = metric_table(measured, settings, looks)
        more["bounds"] = bound_table(measured, runs, settings, looks)
        more["correlations"], notes = correlation_table(measured, runs, settings, looks)
        notes += search_notes(more["metrics"])
        if not more["correlations"].empty:
            figures |= correlation_figures(more["correlations"], looks, settings)
        more = {name: rows for name, rows in more.items() if not rows.empty}
    return Report(table, figures, partial(brief, table, settings, looks), more, notes)


def _tables(results: "Results") -> dict[str, pd.DataFrame]:
    found = {name: results.tables[name] for name in (*AVERAGED, "metrics") if name in results.tables}
    return {name: table for name, table in found.items() if not table.empty}
