"""From the rows of all runs to what pairs and groups are like.

A group is what pairs share but for their seeds. Numbers of both directions of a pair are averaged: which network
of a pair is the first is a matter of naming.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.communication.names import CLASSIFIERS, SHUFFLED
from framework.metrics.unexplained import UNEXPLAINED
from framework.report.aggregate import varying
from framework.report.intervals import estimates

SETTING = ("dataset", "model", "epochs", "shared_epochs")
PAIR = ("group", "first", "second")
PLACE = ("subject", "unit", "method", "metric", "split")
PARENTS = "parents"
"""What tables call the mean of both classifiers."""
ERROR = UNEXPLAINED.name
STARTS = {"none": "", "0": "same start", "1": "1 epoch shared", "best": "best weights shared"}


def labelled(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with `label`, what figures call the group: by what tells the groups of its subject apart."""
    groups = table[["subject", "group", *SETTING]].drop_duplicates()
    found = []
    for _, of in groups.groupby("subject", sort=False):
        names = varying(of, SETTING)
        labels = [_label(row, names) for row in of.to_dict("records")]
        twice = {label for label in labels if labels.count(label) > 1}
        ids = of["group"].str[:4]
        found.append(
            of.assign(
                label=[f"{label} ({i})" if label in twice else label for label, i in zip(labels, ids, strict=True)]
            )
        )
    return table.merge(pd.concat(found)[["group", "label"]], on="group")


def _label(row: Mapping[Any, str], names: Sequence[str]) -> str:
    shared = row["shared_epochs"]
    told = {
        "dataset": row["dataset"] if "dataset" in names else "",
        "model": row["model"],
        "epochs": f"{row['epochs']} epochs" if "epochs" in names else "",
        "shared_epochs": STARTS.get(shared, f"{shared} epochs shared") if "shared_epochs" in names else "",
    }
    return ", ".join(part for part in told.values() if part)


def by_pair(table: pd.DataFrame) -> pd.DataFrame:
    """A row a pair and number: `value` is the mean over both directions, and over both classifiers of a pair.

    A pair that was run in both orders is one. A mean of numbers that are not all finite is NaN.
    """
    turned = table["first"] > table["second"]
    first, second = (table[name].where(~turned, table[other]) for name, other in (PAIR[1:], PAIR[:0:-1]))
    table = table.assign(first=first, second=second)
    parents = table["method"].isin(("first", "second")) & (table["subject"] == CLASSIFIERS)
    rows = table.assign(method=table["method"].where(~parents, PARENTS))
    keys = [*PAIR, "label", *SETTING, *PLACE]
    rows = rows.assign(value=rows["value"].replace([np.inf, -np.inf], np.nan))
    found = rows.groupby(keys, sort=False, observed=True)["value"].agg(["mean", "count", "size"]).reset_index()
    found["value"] = found["mean"].where(found["count"] == found["size"])
    return found[[*keys, "value"]]


def means(pairs: pd.DataFrame) -> pd.DataFrame:
    """Mean of every number by group, with its standard deviation over pairs and its interval over networks.

    Returns:
        `label`, the setting, subject, unit, method, metric and split; `mean`, `std`, `low`, `high`, and what they
        rest on: `units` (networks, or groups of pairs that share none) and `pairs`.
    """
    by = ["label", *SETTING, *PLACE]
    order = pairs[by].drop_duplicates()
    found = estimates(pairs, by, "value", models=["first", "second"]).drop(columns="draws")
    spread = pairs.groupby(by, sort=False, observed=True)["value"].std(ddof=1).rename("std").reset_index()
    table = order.merge(found.rename(columns={"rows": "pairs"}), on=by).merge(spread, on=by)
    return table[[*by, "mean", "std", "low", "high", "units", "pairs"]]


def maps_of(pairs: pd.DataFrame) -> list[str]:
    """The maps that were fitted, in the order in which they were logged, without their shuffled controls."""
    found = pairs.loc[pairs["metric"] == ERROR, "method"].drop_duplicates()
    return [str(name) for name in found if not str(name).endswith(SHUFFLED)]


def short(name: str) -> str:
    """What figures call a map or an alignment."""
    return name.removesuffix("_relative").replace("_", " ")
