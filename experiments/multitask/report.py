"""The report: what was learnt inside and outside, whether another task helps, and which rate is best by width."""

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from experiments.multitask import figures, summary
from experiments.multitask.summary import SEED
from framework.errors import SashikoError
from framework.multitask.networks.coordinates import coordinate_figure, slopes
from framework.report.aggregate import number
from framework.report.report import Answer, Draw, Report

if TYPE_CHECKING:
    from framework.tracking.results import Results

ERROR = "test/mse_{task}_all"


def report(results: "Results") -> Report:
    """Tables and figures from what runs log (`study.py`).

    The table has a row for each setting: `test/<metric>_<task>_<region>`, means over seeds. Further tables:
    `effects` (where runs learn one task alone, and all), `best_rates` (where rates and widths are swept), `slopes`
    (where coordinates are logged).

    Raises:
        SashikoError: no run has finished.
    """
    if results.runs.empty or not summary.scores_in(results.runs):
        raise SashikoError("no finished run has logged scores: run some points first")
    runs, columns = summary.settings_of(results)
    table = summary.by_setting(runs, columns)
    scores = [name for name in summary.scores_in(runs) if "/mse_" in name and not name.endswith("_all")]
    drawn: dict[str, Draw] = {}
    more: dict[str, pd.DataFrame] = {}
    answer = None
    found = summary.effects(runs, columns)
    if not found.empty:
        more["effects"] = found
        drawn["effects"] = partial(figures.effects_by_setting, found, columns)
        answer = partial(_answer, found, columns)
    if {"rate", "width"} <= set(columns):
        errors = runs.assign(error=_errors(runs))
        more["best_rates"] = summary.best_rates(errors, columns, "error")
        drawn["error_by_rate"] = partial(figures.error_by_rate, errors, more["best_rates"], "error")
    else:
        drawn["errors"] = partial(figures.errors_by_setting, runs, columns, scores)
    coordinates = _coordinates(results, runs, more.get("best_rates"))
    for name, frame in coordinates.items():
        more[f"slopes_{name}"] = slopes(frame)
        drawn[f"coordinates_{name}"] = partial(coordinate_figure, frame)
    notes = [
        "scores on the test split, mean ± standard deviation over n seeds; inside and outside the interval that a "
        "task is trained on. Weights are those after the last epoch: val chooses nothing.",
    ]
    return Report(table, drawn, partial(summary.brief, table, columns), more, notes, answer)


def _errors(runs: pd.DataFrame) -> pd.Series:
    """The mean over tasks of the mean squared error on test."""
    tasks = [str(name) for name in runs if str(name).startswith("test/mse_") and str(name).endswith("_inside")]
    return pd.Series(runs[tasks].apply(pd.to_numeric).mean(axis=1))


def _coordinates(results: "Results", runs: pd.DataFrame, best: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    """The rows of the coordinate checks by parametrisation, at the rate that is best for the least width."""
    if "coordinates" not in results.tables or best is None or "parametrisation" not in best:
        return {}
    rows = results.tables["coordinates"].drop(columns=["width", "seed"], errors="ignore")
    rows = rows.merge(runs[["run_id", "parametrisation", "rate", "width", SEED]], on="run_id")
    first = best.sort_values("width").groupby("parametrisation")["rate"].first()
    chosen = rows[pd.to_numeric(rows["rate"]) == rows["parametrisation"].map(first)]
    return {
        str(kind): group.drop(columns=["run_id"]) for kind, group in chosen.groupby("parametrisation", sort=False)
    }


def _answer(effects: pd.DataFrame, columns: list[str]) -> Answer:
    """Whether another task helps, where a task has seen nothing and where it has."""
    named = [name for name in columns if name in effects and effects[name].nunique() > 1]
    rows = []
    for row in effects.to_dict("records"):
        interval = f"{number(row['ratio'], 3)} [{number(row['low'], 3)}, {number(row['high'], 3)}]"
        about = {name: row[name] for name in (*named, "task", "region")}
        errors = {name: number(row[name], 3) for name in ("alone", "together")}
        rows.append({**about, **errors, "ratio": interval, "better": f"{row['better']} of {row['n']}"})
    caption = [
        "Mean squared error on test, outside and inside the interval that the task is trained on, learnt alone",
        "and with all tasks: geometric means over seeds, their ratio (below 1: it helps) with a 95 % interval,",
        "and in how many seeds it is below 1. Weights are those after the last epoch: val chooses nothing.",
    ]
    return Answer(pd.DataFrame(rows), caption)
