"""Scores of models on tables, over seeds: means, their intervals, and what they are beside the dummy's.

A seed stands for one draw of the splits and whatever else is drawn. Models are compared on the same draws: what a
model gains over the dummy is taken seed by seed, then averaged. Intervals are 95 %, of t over seeds. The splits
of different seeds overlap, so that intervals tell of this table, and are too narrow for another one.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from framework.config import canonical_json
from framework.fields import is_replicate, leaf_fields
from framework.report.intervals import of_replicates
from framework.tabular.config import MODELS
from framework.tabular.scores import METRICS, PRIMARY

if TYPE_CHECKING:
    from framework.tracking.results import Results

DUMMY, DATA, MODEL = "dummy", "data", "model"
NAMES = {DATA: "data.name", MODEL: "model.kind"}
SEEDS = "_seeds"


def runs_of(results: "Results") -> tuple[pd.DataFrame, list[str]]:
    """The finished runs with the columns data and model, which tell all that was swept of either, and the keys.

    The keys are these two and whatever else was swept, but for seeds; the column `_seeds` tells those.
    """
    runs = results.runs[results.runs["state"] == "finished"].reset_index(drop=True)
    seeds = [name for name, info in leaf_fields(results.config) if is_replicate(info) and name in runs]
    swept = [name for name in results.factors if name in runs and name not in seeds]
    records = runs.to_dict("records")
    columns: dict[str, Any] = {SEEDS: [canonical_json([row[name] for name in seeds]) for row in records]}
    for key, name in NAMES.items():
        more = [column for column in swept if column.startswith(f"{key}.") and column != name]
        columns[key] = [", ".join([str(row[name]), *_values(row, more)]) for row in records]
    rest = [name for name in swept if not name.startswith((f"{DATA}.", f"{MODEL}."))]
    columns |= {name: [canonical_json(_plain(row[name])) for row in records] for name in rest}
    runs = runs.assign(**columns)
    first = {name: place for place, name in enumerate(dict.fromkeys(runs[DATA]))}
    kinds = {kind: place for place, kind in enumerate(MODELS)}
    ranks = {"_data": runs[DATA].map(first), "_model": runs[NAMES[MODEL]].map(kinds)}
    runs = runs.assign(**ranks).sort_values(list(ranks), kind="stable").drop(columns=list(ranks))
    return runs.reset_index(drop=True), [DATA, *rest, MODEL]


def _values(row: dict[Any, Any], names: Sequence[str]) -> list[str]:
    told = {name.split(".", 1)[1]: _plain(row[name]) for name in names}
    return [f"{name}={canonical_json(value)}" for name, value in told.items() if value is not None]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


def by_setting(runs: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """A row for each setting and metric of the test split.

    Columns: the keys, task, metric, mean, low and high (its interval), gain (by how much it is better than the
    dummy's, whichever way is better, seed by seed) with gain_low and gain_high, and n seeds. Without a dummy on
    the same table and seed there is no gain.
    """
    rows: list[dict[str, Any]] = []
    base = _base(runs, keys)
    for about, group in _groups(runs, keys):
        for name, metric in METRICS.items():
            column = f"test/{name}"
            if column not in group or group[column].isna().all():
                continue
            values = pd.to_numeric(group.set_index(SEEDS)[column])
            sign = 1 if metric.better == "higher" else -1
            gain = sign * (values - _beside(base, about, keys, column, values))
            scored = {"mean": _estimate(values), "gain": _estimate(gain.dropna())}
            row = {**about, "task": group["task"].iloc[0], "metric": name}
            row |= dict(zip(("mean", "low", "high"), scored["mean"], strict=True))
            row |= dict(zip(("gain", "gain_low", "gain_high"), scored["gain"], strict=True))
            rows.append({**row, "n": len(values)})
    return pd.DataFrame(rows)


def errors_left(runs: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """What share of the dummy's error each model leaves on test, seed by seed: 1 - accuracy, or 1 - R², over that
    of the dummy. A row a setting and seed: the keys, left; none where there is no dummy of that seed.
    """
    rows: list[dict[str, Any]] = []
    base = _base(runs, keys)
    for about, group in _groups(runs, keys):
        column = f"test/{PRIMARY[str(group['task'].iloc[0])]}"
        values = pd.to_numeric(group.set_index(SEEDS)[column])
        left = (1 - values) / (1 - _beside(base, about, keys, column, values))
        rows += [{**about, "seeds": seeds, "left": value} for seeds, value in left.dropna().items()]
    return pd.DataFrame(rows, columns=[*keys, "seeds", "left"])


def _estimate(values: "pd.Series[float]") -> tuple[float, float, float]:
    return of_replicates(values.to_list())


def _groups(runs: pd.DataFrame, keys: Sequence[str]) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    found = runs.groupby(list(keys), sort=False, dropna=False)
    return [(dict(zip(keys, key, strict=True)), group) for key, group in found]


def _base(runs: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    return runs[runs[NAMES[MODEL]] == DUMMY].drop_duplicates([*keys, SEEDS])


def _beside(
    base: pd.DataFrame, about: dict[str, Any], keys: Sequence[str], column: str, values: "pd.Series[float]"
) -> "pd.Series[float]":
    """The dummy's score of the same setting, at the seeds of `values`; NaN where there is none."""
    same = base
    for key in keys:
        if key != MODEL:
            same = same[same[key] == about[key]]
    return pd.to_numeric(same.set_index(SEEDS)[column]).reindex(values.index)
