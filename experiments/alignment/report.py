"""The alignment report: the error of mapped latents over the epochs, for each pair of architectures."""

import itertools
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from framework.errors import SashikoError
from framework.report.aggregate import aggregate
from framework.report.ends import End, label_ends
from framework.report.panels import panel_grid, score_axis
from framework.report.report import Report
from framework.report.style import COLOURS, COLUMN_WIDTH, PAGE_WIDTH, styled

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
    figures = {
        "error_by_epoch": partial(by_epoch, table, "error", "error of the mapped latents"),
        "cka_by_epoch": partial(by_epoch, table, "cka", "CKA with the reference (debiased)"),
    }
    return Report(table, figures, brief=partial(brief, table))


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


def by_epoch(table: pd.DataFrame, metric: str, label: str) -> Figure:
    """A panel a reference, a line an architecture (and mapping) that is trained towards it, named at its end.

    Bands are one standard deviation over the seeds.
    """
    panels = list(table.groupby("reference", sort=True))
    several = table["mapping"].nunique() > 1
    width = COLUMN_WIDTH if len(panels) == 1 else PAGE_WIDTH
    with styled():
        figure, axes = panel_grid(len(panels), min(2, len(panels)), width=width, row_height=1.9, extra_height=0.3)
        named = [
            _draw(panel, rows, metric, several=several) for panel, (_, rows) in zip(axes, panels, strict=True)
        ]
        means = table[f"{metric}_mean"]
        score_axis(axes[0], float(means.min()), float(means.max()))
        figure.supxlabel("epochs that the model has been trained for", fontsize=8)
        figure.supylabel(label, fontsize=8)
        for panel, (reference, _), ends in zip(axes, panels, named, strict=True):
            panel.set_title(f"into the latents of {_short(reference)}")
            label_ends(panel, ends)
    return figure


def _draw(panel: Axes, rows: pd.DataFrame, metric: str, *, several: bool) -> list[End]:
    """The lines of a panel, and where they end; `several` mappings are named, too."""
    ends = []
    groups = rows.groupby(["model", "mapping"])
    for (key, line), colour in zip(groups, itertools.cycle(COLOURS), strict=False):
        model, mapping = map(str, key) if isinstance(key, tuple) else (str(key), "")
        mean, std = line[f"{metric}_mean"], line[f"{metric}_std"].fillna(0)
        panel.plot(line["epoch"], mean, color=colour)
        low = np.maximum(mean - std, mean - 0.5 * mean.abs())  # a band to zero would swallow a logarithmic axis
        panel.fill_between(line["epoch"], low, mean + std, color=colour, alpha=0.15, linewidth=0)
        label = _short(model) + (f", {mapping}" if several else "")
        ends.append(End(label, float(line["epoch"].iloc[-1]), float(mean.iloc[-1]), colour))
    return ends


def _short(kind: object) -> str:
    return str(kind).replace("_autoencoder", "")
