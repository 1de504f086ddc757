"""The alignment report: the error of mapped latents over the epochs, for each pair of architectures."""

import itertools
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from framework.errors import SashikoError
from framework.report.aggregate import aggregate
from framework.report.panels import one_legend, panel_grid, score_axis
from framework.report.report import Report
from framework.report.style import COLOURS, MARKERS, styled

if TYPE_CHECKING:
    from framework.tracking.results import Results

KEYS = ("model", "reference", "mapping", "epoch")
METRICS = ("error", "latent_distance", "cka", "singular_max", "singular_min")


def report(results: "Results") -> Report:
    """Table and figure from the table `reference_mapping` of all runs.

    Raises:
        SashikoError: no run has logged it.
    """
    if "reference_mapping" not in results.tables:
        raise SashikoError(
            "no finished alignment run has logged the table `reference_mapping`: run some points first"
        )
    kinds = {"model.model.kind": "model", "reference.model.kind": "reference", "mapping.kind": "mapping"}
    runs = results.runs.rename(columns=kinds)
    runs = runs.assign(mapping=_labels(runs))[["run_id", *kinds.values()]]
    rows = results.tables["reference_mapping"].merge(runs, on="run_id")
    table = aggregate(rows, KEYS, METRICS)
    return Report(table, {"error_by_epoch": partial(error_by_epoch, table)}, brief=partial(brief, table))


def _labels(runs: pd.DataFrame) -> "pd.Series[str]":
    """What the configs of the mappings call themselves: the kind, and the variant of it that a sweep sets."""
    labels = runs["mapping"].astype(str)
    if "mapping.scaling" in runs:
        scaling = runs["mapping.scaling"].fillna("none").astype(str)
        labels = labels.where(scaling == "none", labels + "_" + scaling)
    if "mapping.centred" in runs:
        labels = labels.where(~runs["mapping.centred"].eq(True), labels + "_centred")
    return labels


def brief(table: pd.DataFrame) -> pd.DataFrame:
    """The first and the last epoch of every pair."""
    ends = table.groupby(list(KEYS[:-1]))["epoch"].transform(
        lambda epochs: epochs.isin((epochs.min(), epochs.max()))
    )
    return table[ends.astype(bool)]


def error_by_epoch(table: pd.DataFrame) -> Figure:
    """A line a pair of architectures, with a band of one standard deviation over the seeds."""
    with styled():
        figure, (axes,) = panel_grid(1, 1, row_height=2.2, extra_height=0.7)
        looks = zip(itertools.cycle(COLOURS), itertools.cycle(MARKERS), strict=False)
        for (key, line), (colour, marker) in zip(table.groupby(list(KEYS[:-1])), looks, strict=False):
            model, reference, mapping = map(str, key) if isinstance(key, tuple) else (str(key), "", "")
            label = f"{model} → {reference}" + (f", {mapping}" if table["mapping"].nunique() > 1 else "")
            mean, std = line["error_mean"], line["error_std"].fillna(0)
            axes.plot(
                line["epoch"], mean, color=colour, marker=marker, markevery=0.2, markeredgewidth=0,
                label=label.replace("_autoencoder", ""),
            )  # fmt: skip
            axes.fill_between(line["epoch"], mean - std, mean + std, color=colour, alpha=0.15, linewidth=0)
        score_axis(axes, float(table["error_mean"].min()), float(table["error_mean"].max()))
        axes.set_xlabel("epochs that the model has been trained for")
        axes.set_ylabel("error of the mapped latents")
        one_legend(figure, [axes], columns=2)
    return figure
