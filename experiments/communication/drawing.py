"""The figures: a dot a pair of classifiers, error against outcome; and what probes read of other features."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from experiments.communication.answer import POOLED, WITHIN, Wide
from experiments.communication.names import ENCODERS, SHUFFLED, SPLIT, TARGET, UNMAPPED
from experiments.communication.summary import short
from framework.report.panels import panel_grid
from framework.report.style import COLOURS, MARKERS, PAGE_WIDTH, REFERENCE, styled

WORDS = {
    "accuracy": "accuracy of the fused (%)",
    "barrier_cross_entropy": "barrier (nats)",
    "barrier_error": "barrier (points of error)",
}
IN_PERCENT = ("accuracy", "barrier_error")
ACROSS = 2
PANEL, ROW = 1.75, 0.17  # inches: height of a panel, of a row
GAP = 3  # points between a dot and what is written at it
LEAST = 0.001  # of p


class Named(NamedTuple):
    """The name of a group in a panel, and between which values its dots lie."""

    text: Annotation
    low: float
    high: float


def against_error(table: Wide, answers: pd.DataFrame, of_map: str, outcome: str) -> Figure:
    """A panel an alignment and layer: the error of the map there, and the outcome, of each pair.

    The title tells ρ within groups with its p, and over all pairs beside what the groups alone give.
    """
    units = [unit for unit, name in table.errors if name == of_map]
    alignments = [name for name, result in table.outcomes if result == outcome]
    places = [(alignment, unit) for alignment in alignments for unit in units]
    across = len(units) if len(units) < 4 else ACROSS
    frame = table.frame
    with styled():
        figure, axes = panel_grid(
            len(places), across, width=PAGE_WIDTH, row_height=PANEL, extra_height=0.3, share=False
        )
        labels = []
        for number, (panel, (alignment, unit)) in enumerate(zip(axes, places, strict=True)):
            x, y = frame[table.errors[unit, of_map]], frame[table.outcomes[alignment, outcome]]
            y = 100 * y if outcome in IN_PERCENT else y
            labels.append(_groups(panel, frame["label"], x, y, named=number < across))
            _log(panel, x)
            panel.margins(y=0.12)
            told = _told(answers, unit, of_map, alignment, outcome)
            panel.set_title(f"{short(alignment)}, layer {unit}\n{told}", fontsize=7)
            if number % across == 0:
                panel.set_ylabel(WORDS[outcome])
        count = f"{len(frame)} pairs of {len({*frame['first'], *frame['second']})} classifiers"
        words = f"share of the variance that the {short(of_map)} map leaves unexplained; {count}, test split"
        figure.supxlabel(words, fontsize=8)
        figure.draw_without_rendering()
        for of_panel in labels:
            _apart(of_panel)
    return figure


def carried(means: pd.DataFrame, maps: Sequence[str]) -> Figure:
    """A panel a group of encoders: the accuracy of a probe on features of its own encoder and of another's."""
    rows = means[(means["subject"] == ENCODERS) & (means["metric"] == "accuracy") & (means["split"] == SPLIT)]
    names = {TARGET: "its own encoder's", **{name: f"another's, {short(name)} map" for name in maps}}
    names |= {f"{name}{SHUFFLED}": f"another's, {short(name)} map of shuffled rows" for name in maps[:1]}
    names |= {UNMAPPED: "another's, unmapped"}
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
        figure.supxlabel("test accuracy of a linear probe (%): mean, and 95 % interval over encoders", fontsize=8)
    return figure


def rho_text(rho: float) -> str:
    """Two digits with a true minus; a dash where it is undefined."""
    return "–" if not np.isfinite(rho) else f"{rho:.2f}".replace("-", "−")


def p_text(p: float) -> str:
    """To two digits, or as less than the least that is told."""
    if not np.isfinite(p):
        return "p undefined"
    return f"p < {LEAST}" if p < LEAST else f"p = {p:.2g}"


def _groups(
    panel: Axes, labels: "pd.Series[str]", x: "pd.Series[float]", y: "pd.Series[float]", *, named: bool
) -> list[Named]:
    """A colour and marker a group, and its name at it where `named`."""
    found = []
    for number, label in enumerate(labels.drop_duplicates()):
        of, colour = labels == label, COLOURS[number % len(COLOURS)]
        marker = MARKERS[(number + number // len(COLOURS)) % len(MARKERS)]
        panel.plot(x[of], y[of], marker, color=colour, alpha=0.8, markeredgewidth=0, label=label)
        if named:
            low, high, middle = float(y[of].min()), float(y[of].max()), float(x[of].median())
            text = panel.annotate(
                label, (middle, high), xytext=(0, GAP), textcoords="offset points", ha="center", va="bottom",
                color=colour, fontsize=7,
            )  # fmt: skip
            found.append(Named(text, low, high))
    return found


def _apart(named: Sequence[Named]) -> None:
    """Write each name where there is more room, above or below its dots, on no other, and inside its panel."""
    placed: list[Any] = []
    for text, low, high in named:
        panel: Any = text.axes
        pixels, frame, middle = panel.figure.dpi / 72, panel.bbox, text.xy[0]
        bottom, top = (float(panel.transData.transform((middle, y))[1]) for y in (low, high))
        side = 1 if frame.y1 - top >= bottom - frame.y0 else -1
        text.xy = (middle, high if side > 0 else low)
        text.set(va="bottom" if side > 0 else "top", position=(0, side * GAP))
        extent = text.get_window_extent()
        right = max(0.0, frame.x0 - extent.x0) - max(0.0, extent.x1 - frame.x1)
        away = 0.0
        while any(extent.translated(right, side * away).overlaps(other) for other in placed):
            away += extent.height / 4
        placed.append(extent.translated(right, side * away))
        text.set_position((right / pixels, side * (GAP + away / pixels)))


def _dots(panel: Axes, of: pd.DataFrame) -> None:
    at = np.arange(len(of))
    panel.axvline(100 * of["mean"].iloc[0], color=REFERENCE, linestyle="--", linewidth=0.7, zorder=1)
    panel.hlines(at, 100 * of["low"], 100 * of["high"], color=COLOURS[0], linewidth=1.2, zorder=2)
    panel.plot(100 * of["mean"], at, "o", color=COLOURS[0], markersize=4, zorder=3)
    ends = of[["mean", "low", "high"]]
    for place, mean, low, high in zip(at, of["mean"], ends.min(axis=1), ends.max(axis=1), strict=True):
        if not np.isfinite(mean):
            continue
        beside, side = (high, 1) if mean < 0.5 else (low, -1)
        panel.annotate(
            f"{100 * mean:.1f}", (100 * beside, place), xytext=(side * (GAP + 2), 0), fontsize=7,
            textcoords="offset points", va="center", ha="left" if side > 0 else "right",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip


def _told(answers: pd.DataFrame, unit: str, of_map: str, alignment: str, outcome: str) -> str:
    keys = {"unit": unit, "map": of_map, "alignment": alignment, "outcome": outcome}
    rows = answers[np.logical_and.reduce([answers[name] == value for name, value in keys.items()])]
    by_scope = rows.set_index("scope")
    if WITHIN not in by_scope.index:
        return "not tested"
    within: Any = by_scope.loc[WITHIN]
    if POOLED not in by_scope.index:
        return f"ρ = {rho_text(within['rho'])}, {p_text(within['p'])}"
    pooled: Any = by_scope.loc[POOLED]
    groups = f"pooled {rho_text(pooled['rho'])} (groups alone {rho_text(pooled['by_groups'])})"
    return f"within ρ = {rho_text(within['rho'])}, {p_text(within['p'])}; {groups}"


def _log(panel: Axes, values: "pd.Series[float]") -> None:
    if not (values > 0).all():
        return
    panel.set_xscale("log")
    wide = values.max() > 30 * values.min()
    panel.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    panel.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())
