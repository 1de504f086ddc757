"""What is measured of the families beside their scores, how it moves with them, and what bounds are worth."""

import pandas as pd

from experiments.fusion.figures.looks import Looks
from experiments.fusion.settings import Settings
from experiments.fusion.summary import averaged
from framework.metrics.correlation import FEWEST, correlations

KEYS = ("family", "space", "metric", "split", "unit", "better")
TARGETS = {"accuracy_test": "test_accuracy", "gap": "generalisation_gap"}
SEARCH = ("sigma", "bracketed", "moved")  # how the size of a perturbation was found; of other metrics empty
BOUND = "_bound"  # how the name of every metric ends that bounds the generalisation gap


def measured_per_run(metrics: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """A row a run, family and metric: the mean over the seeds of the measurement, where it is defined."""
    numbers = ["value", "seconds", *_searched(metrics)]
    rows = metrics.assign(**{name: pd.to_numeric(metrics[name].astype(float)) for name in numbers})
    keys = ["run_id", *settings.names, *KEYS]
    rows = rows[rows["value"].notna()]
    return rows.groupby(keys, sort=False, dropna=False)[numbers].mean().reset_index()


def metric_table(measured: pd.DataFrame, settings: Settings, looks: Looks) -> pd.DataFrame:
    """Mean, standard deviation and n of every metric, by setting and family.

    `bracketed` is the share of runs whose search for sigma met its target; of the others the number says no more
    than that the true one lies beyond.
    """
    searched = _searched(measured)
    table = averaged(measured, [*settings.names, *KEYS], ["value", *searched, "seconds"], looks)
    table = table.drop(columns=[f"{name}_std" for name in searched])
    return table.rename(columns={f"{name}_mean": name for name in searched})


def search_notes(table: pd.DataFrame) -> list[str]:
    """Of a metric table, a sentence where numbers stand that the search for sigma could not bracket."""
    if "bracketed" not in table:
        return []
    open_ended = table[table["bracketed"] < 1]
    if open_ended.empty:
        return []
    names = ", ".join(dict.fromkeys(open_ended["metric"]))
    return [
        f"sigma was not bracketed in every run for {names}: those numbers are ends of the range of the search, no "
        "measurements (column bracketed of metrics); widen plain or magnitude of metrics.sharpness or .pac_bayes"
    ]


def _searched(frame: pd.DataFrame) -> list[str]:
    return [name for name in SEARCH if name in frame]


def bound_table(measured: pd.DataFrame, runs: pd.DataFrame, settings: Settings, looks: Looks) -> pd.DataFrame:
    """Every bound beside the `gap` that it bounds, train less test accuracy; `holds`: the share of runs.

    A bound of 1 or more says nothing of a gap between two shares: `says`, the share of runs in which it is less.
    """
    bounds = measured[measured["metric"].str.endswith(BOUND)]
    rows = bounds.merge(runs[["run_id", "family", "gap"]], on=["run_id", "family"])
    rows = rows.assign(holds=(rows["value"] >= rows["gap"]).astype(float), says=(rows["value"] < 1).astype(float))
    table = averaged(rows, [*settings.names, "family", "metric"], ["value", "gap", "holds", "says"], looks)
    table = table.drop(columns=["holds_std", "says_std"])
    return table.rename(columns={"holds_mean": "holds", "says_mean": "says"})


def correlation_table(
    measured: pd.DataFrame, runs: pd.DataFrame, settings: Settings, looks: Looks
) -> tuple[pd.DataFrame, list[str]]:
    """How every metric of a family moves with its test accuracy and generalisation gap, over the runs.

    Bounds are left out: each rises with the measure that it is made of, so that ranks say the same of both.

    Returns:
        The rows of `correlations` with the setting in front, a sentence for each setting that has too few runs,
        and one on how many of so many p-values are small by chance.
    """
    found, notes = [], []
    for title, rows in settings.panels(measured):
        count = rows["run_id"].nunique()
        if count < FEWEST:
            where = f" for {title}" if settings.telling else ""
            notes.append(
                f"no correlations{where}: they are over runs with other seeds, of which at least {FEWEST} are "
                f"needed; {count} {'has' if count == 1 else 'have'} finished"
            )
            continue
        frame = _tidy(rows, runs, looks)
        if frame.empty:  # nothing was measured but accuracy and loss
            continue
        setting = rows[settings.names].iloc[[0]]
        for against in TARGETS.values():
            found.append(setting.merge(correlations(frame, against=against, unit="run_id"), how="cross"))
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
    tests = int(table["defined"].sum()) if len(table) else 0
    if tests:
        notes.append(
            f"{tests} correlations were tested, each by itself: about {tests / 20:.0f} have p < 0.05 where "
            f"nothing correlates; p < {0.05 / tests:.1g} (0.05 / {tests}) holds for all of them together"
        )
    return table, notes


def _tidy(measured: pd.DataFrame, runs: pd.DataFrame, looks: Looks) -> pd.DataFrame:
    """A row a run, family and metric, with what metrics are held against among them."""
    columns = ["run_id", "family", "space", "metric", "value"]
    rows = measured[(measured["space"] != "prediction") & ~measured["metric"].str.endswith(BOUND)]
    twice = rows.duplicated(["run_id", "family", "metric"], keep=False)
    rows = rows.assign(metric=rows["metric"].where(~twice, rows["metric"] + "_" + rows["split"]))
    known = runs.merge(rows[["run_id", "family"]].drop_duplicates()).rename(columns=TARGETS)
    scores = known.melt(["run_id", "family"], list(TARGETS.values()), "metric").assign(space="prediction")
    # Differences of equal shares differ in their last digit, and would pass for a gap that varies.
    scores["value"] = scores["value"].round(12)
    tidy = pd.concat([rows[columns], scores[columns]], ignore_index=True)
    return tidy.sort_values("family", key=lambda names: names.map(looks.families.index), kind="stable")
