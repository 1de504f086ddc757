"""The report: how good encoders are by what was swept, beside backbones without training, and which diagnostics
tell it without labels.

Every number is a mean over runs that differ in their seed alone, with the standard deviation over them and n.
"""

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from experiments.ssl import figures, summary
from experiments.ssl.summary import MODEL
from framework.errors import SashikoError
from framework.report.report import Draw, Report

if TYPE_CHECKING:
    from framework.tracking.results import Results

SHOWN = ("spread", "std_batch", "rankme", "alpha_req", "lidar", "Cor_batch_ik_10")
"""Of the diagnostics those that figures show: one of each idea."""
FEW = 8  # encoders, of which a rank correlation says nothing


def report(results: "Results") -> Report:
    """Tables and figures from what runs log (`study.py`).

    The table has a row for each setting, and for random and pretrained weights without training: columns
    `<evaluation>_top<k>[_<metric>[_<average>]][_<data set>]_<split>`, accuracies where no metric is named, in
    [0, 1]. Further tables: `confusion`, and `diagnostics`, Kendall's τ and Pearson's r of each with the linear
    probe on test.

    Raises:
        SashikoError: no run has logged the table `scores`.
    """
    if "scores" not in results.tables or results.tables["scores"].empty:
        raise SashikoError("no finished run has logged the table `scores`: run some points first")
    frame, columns = summary.settings_of(results)
    runs = summary.per_run(results, frame, columns)
    table = summary.by_setting(runs, columns)
    names = tuple(columns)
    factor = figures.factor_of(runs, names)
    accuracy = (
        partial(figures.accuracy_by_factor, runs, names, factor)
        if factor
        else partial(figures.accuracy_by_setting, runs, names)
    )
    drawn: dict[str, Draw] = {"accuracy": accuracy}
    more: dict[str, pd.DataFrame] = {}
    confusion = results.tables["confusion"]
    own = confusion[confusion["dataset"] == results.runs["encoder.data.name"].iloc[0]]
    more["confusion"] = summary.averaged_confusion(frame, own, names)
    drawn["confusion"] = partial(figures.confusion_matrices, more["confusion"], names)
    if int((runs[MODEL] == "encoder").sum()) >= FEW:
        diagnoses = results.tables["diagnoses"]
        diagnoses = diagnoses.assign(value=pd.to_numeric(diagnoses["value"]))
        more["diagnostics"] = summary.correlated(runs, diagnoses)
        shown = more["diagnostics"][more["diagnostics"]["measure"].isin(SHOWN)]
        drawn["diagnostics"] = partial(figures.diagnostics_by_tau, shown)
        drawn["diagnostics_and_accuracy"] = partial(figures.diagnostics_and_accuracy, runs, diagnoses, shown)
    notes = [
        "accuracy on the test split in per cent, mean ± standard deviation over n runs that differ in their seed; "
        "all is fitted on train and chosen on val.",
        *summary.missing(results),
    ]
    return Report(table, drawn, partial(summary.brief, table, columns), more, notes)
