"""The report: whether mapping error goes with fusion, what both are like by group, and what probes read."""

from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.communication import drawing
from experiments.communication.answer import OUTCOMES, POOLED, WITHIN, answers, left_out, wide
from experiments.communication.drawing import p_text, rho_text
from experiments.communication.names import ENCODERS, SPLIT, TABLE, TARGET, UNMAPPED
from experiments.communication.summary import by_pair, labelled, maps_of, means, short
from framework.errors import SashikoError
from framework.report.report import Answer, Draw, Report

if TYPE_CHECKING:
    from framework.tracking.results import Results

SHOWN = ("accuracy", "barrier_cross_entropy")
"""The outcomes of the answer on the terminal; the tables have the others, too."""


def report(results: "Results") -> Report:
    """The correlations (of encoders alone the means), the tables `means` and `pairs`, figures, and the answer.

    Raises:
        SashikoError: no run has logged the table `communication`.
    """
    if TABLE not in results.tables or results.tables[TABLE].empty:
        raise SashikoError(f"no finished communication run has logged the table `{TABLE}`: run some points first")
    pairs = by_pair(labelled(results.tables[TABLE]))
    averages, over_pairs = means(pairs), wide(pairs)
    found = answers(over_pairs)
    drawn: dict[str, Draw] = {}
    maps = maps_of(pairs)
    if not found.empty:
        for outcome in OUTCOMES:
            drawn[f"{outcome}_by_error"] = partial(drawing.against_error, over_pairs, found, maps[0], outcome)
    if (averages["subject"] == ENCODERS).any():
        drawn["carried"] = partial(drawing.carried, averages, maps)
    notes = [*left_out(pairs), *_tests(found)]
    more = {"means": averages, "pairs": pairs}
    if found.empty:
        return Report(averages, drawn, more={"pairs": pairs}, notes=notes)
    return Report(found, drawn, more=more, notes=notes, answer=partial(_answer, found, averages, maps))


def _tests(found: pd.DataFrame) -> list[str]:
    """How many tests there are, since some of so many are small by chance."""
    within = found[(found["scope"] == WITHIN) & found["p"].notna()]
    if within.empty:
        return []
    small = int((within["p"] < 0.05).sum())
    kept = int((within["p_holm"] < 0.05).sum())
    return [
        f"{len(within)} correlations were tested within groups: {small} have p < 0.05, of which about "
        f"{len(within) / 20:.0f} were to be expected by chance; {kept} have p_holm < 0.05, for all together"
    ]


def _answer(found: pd.DataFrame, averages: pd.DataFrame, maps: list[str]) -> Answer:
    """A line a layer and alignment, of the first map: ρ within groups, and pooled beside the groups alone."""
    shown = found[found["map"] == maps[0]]
    rows = []
    for (unit, alignment), of in shown.groupby(["unit", "alignment"], sort=False):
        row = {"layer": str(unit), "fused by": short(str(alignment))}
        for outcome in SHOWN:
            by_scope, name = of[of["outcome"] == outcome].set_index("scope"), outcome.split("_")[0]
            row[f"{name}: within"] = _cell(by_scope, WITHIN, "p")
            row[f"{name}: pooled"] = _cell(by_scope, POOLED, "by_groups")
        rows.append(row)
    whole = found.loc[found["scope"] == WITHIN].iloc[0]
    critical = float(shown.loc[(shown["scope"] == WITHIN) & shown["outcome"].isin(SHOWN), "critical"].max())
    caption = [
        f"Spearman's ρ over {whole['pairs']} pairs of {whole['models']} classifiers in {whole['groups']} groups, "
        "on test: what the",
        f"{short(maps[0])} map leaves unexplained at a layer, against accuracy and barrier (nats) of the fused.",
        f"within: ranks within groups; p over labellings of a group's classifiers, 0.05 at |ρ| = {critical:.2f}.",
        "pooled: ranks over all pairs; in brackets what the groups alone give, whatever pairs do in them.",
        *_carried(averages, maps),
    ]
    room = Answer.LINES - len(caption) - 1  # below the header
    if len(rows) > room:
        caption = [f"the first of {len(rows)} layers and alignments; all of them: --full", *caption]
        rows = rows[: max(room - 1, 1)]
    return Answer(pd.DataFrame(rows), caption)


def _cell(by_scope: pd.DataFrame, scope: str, beside: str) -> str:
    if scope not in by_scope.index:
        return "–"
    row: Any = by_scope.loc[scope]
    other = p_text(row["p"]) if beside == "p" else rho_text(row["by_groups"])
    return f"{rho_text(row['rho'])} ({other})"


def _carried(averages: pd.DataFrame, maps: list[str]) -> list[str]:
    """A line a group of encoders: mean accuracy on test."""
    rows = averages[averages["subject"] == ENCODERS]
    rows = rows[(rows["metric"] == "accuracy") & (rows["split"] == SPLIT)]
    lines = []
    for label, of in rows.groupby("label", sort=False):
        mean = of.set_index("method")["mean"]
        lines.append(
            f"probes of {label}: own features {100 * mean[TARGET]:.1f} %, another's by the {short(maps[0])} map "
            f"{100 * mean[maps[0]]:.1f} %, unmapped {100 * mean[UNMAPPED]:.1f} %"
        )
    return lines
