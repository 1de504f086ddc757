"""The figures: a dot a pair of classifiers, error against outcome; and what probes read of other features."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from experiments.communication.answer import POOLED, SPLIT, WITHIN, Wide
from experiments.communication.summary import SHUFFLED, short
from framework.report.panels import one_legend, panel_grid
from framework.report.style import COLOURS, MARKERS, PAGE_WIDTH, REFERENCE, styled

WORDS = {
    "accuracy": "test accuracy of the fused (%)",
    "barrier_cross_entropy": "barrier (nats)",
    "barrier_error": "barrier (points of error)",
}
IN_PERCENT = ("accuracy", "barrier_error")
ACROSS = 2
PANEL, ROW = 1.75, 0.17  # inches: height of a panel, of a row


def against_error(table: Wide, answers: pd.DataFrame, of_map: str, outcome: str) -> Figure:
    """A panel an alignment and layer: the error of the map there, and the outcome, of each pair.

    The title tells ρ within groups with its p, and over all pairs beside what the groups alone give.
    """
    units = [unit for unit, name in table.errors if name == of_map]
    alignments = [name for name, result in table.outcomes if result == outcome]
    labels = list(table.frame["label"].drop_duplicates())
    scale = 100 if outcome in IN_PERCENT else 1
    with styled():
        across = len(units) if len(units) < 4 else ACROSS
        count = len(units) * len(alignments)
        figure, axes = panel_grid(count, across, width=PAGE_WIDTH, row_height=PANEL, extra_height=0.5, share=False)
        places = [(alignment, unit) for alignment in alignments for unit in units]
        for number, (panel, (alignment, unit)) in enumerate(zip(axes, places, strict=True)):
            error, result = table.errors[unit, of_map], table.outcomes[alignment, outcome]
            for colour, marker, label in zip(COLOURS * 2, MARKERS * 2, labels, strict=False):
                rows = table.frame[table.frame["label"] == label]
                panel.plot(
                    rows[error], scale * rows[result], marker, color=colour, label=label, alpha=0.8,
                    markeredgewidth=0,
                )  # fmt: skip
            _log(panel, table.frame[error])
            panel.set_title(
                f"{short(alignment)}, layer {unit}\n{_told(answers, unit, of_map, alignment, outcome)}"
            )
            panel.margins(y=0.12)
            if number % across == 0:
                panel.set_ylabel(WORDS[outcome])
            if number >= count - across:
                panel.set_xlabel(f"variance left by the {short(of_map)} map (share)")
        one_legend(figure, axes, columns=len(labels))
    return figure


def carried(means: pd.DataFrame, maps: Sequence[str]) -> Figure:
    """A panel a group of encoders: the accuracy of a probe on features of its own encoder and of another's."""
    rows = means[(means["subject"] == "encoders") & (means["metric"] == "accuracy") & (means["split"] == SPLIT)]
    names = {"target": "its own encoder's", **{name: f"another's, {short(name)} map" for name in maps}}
    names |= {f"{name}{SHUFFLED}": f"another's, {short(name)} map of shuffled rows" for name in maps[:1]}
    names |= {"unmapped": "another's, unmapped"}
    labels = list(rows["label"].drop_duplicates())
    with styled():
        figure, axes = panel_grid(
            len(labels), ACROSS, width=PAGE_WIDTH, row_height=ROW * len(names) + 0.5, extra_height=0.1, share=True
        )
        for number, (panel, label) in enumerate(zip(axes, labels, strict=True)):
            of = rows[rows["label"] == label].set_index("method").reindex(list(names))
            _dots(panel, of)
            panel.set_title(f"{label}: {int(of['units'].max())} encoders, {int(of['pairs'].max())} pairs")
            panel.set_yticks(range(len(names)), list(names.values()))
            panel.set_ylim(len(names) - 0.5, -0.5)
            panel.tick_params(axis="y", length=0, labelleft=number % ACROSS == 0)
            panel.set_xlim(0, 100)
        figure.supxlabel("test accuracy of the linear probe (%), mean and 95 % interval over encoders", fontsize=8)
    return figure


def _dots(panel: Axes, of: pd.DataFrame) -> None:
    at = np.arange(len(of))
    panel.axvline(100 * of["mean"].iloc[0], color=REFERENCE, linestyle="--", linewidth=0.7, zorder=1)
    panel.hlines(at, 100 * of["low"], 100 * of["high"], color=COLOURS[0], linewidth=1.2, zorder=2)
    panel.plot(100 * of["mean"], at, "o", color=COLOURS[0], markersize=4, zorder=3)
    for place, mean in zip(at, of["mean"], strict=True):
        if np.isfinite(mean):
            right = mean < 0.5
            panel.annotate(
                f"{100 * mean:.1f}", (100 * mean, place), xytext=(6 if right else -6, 0), fontsize=7,
                textcoords="offset points", va="center", ha="left" if right else "right",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5}, zorder=2.5,
            )  # fmt: skip


def _told(answers: pd.DataFrame, unit: str, of_map: str, alignment: str, outcome: str) -> str:
    keys = {"unit": unit, "map": of_map, "alignment": alignment, "outcome": outcome}
    rows = answers[np.logical_and.reduce([answers[name] == value for name, value in keys.items()])]
    by_scope = rows.set_index("scope")
    if WITHIN not in by_scope.index:
        return "not tested"
    within: Any = by_scope.loc[WITHIN]
    text = f"within ρ = {rho_text(within['rho'])}, {p_text(within['p'])}"
    if POOLED not in by_scope.index:
        return text
    pooled: Any = by_scope.loc[POOLED]
    return f"{text}; pooled {rho_text(pooled['rho'])} (groups alone {rho_text(pooled['by_groups'])})"


def rho_text(rho: float) -> str:
    """Two digits with a true minus; a dash where it is undefined."""
    return "–" if not np.isfinite(rho) else f"{rho:.2f}".replace("-", "−")


def p_text(p: float) -> str:
    """To two digits, or as less than the least that is told."""
    if not np.isfinite(p):
        return "p undefined"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _log(panel: Axes, values: "pd.Series[float]") -> None:
    if not (values > 0).all():
        return
    panel.set_xscale("log")
    wide = values.max() > 30 * values.min()
    panel.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    panel.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())
