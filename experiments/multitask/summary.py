"""What was learnt, by what was swept; the effect of learning another task; the best learning rate by width.

Every number is a mean over runs that differ in their seed alone, with the standard deviation over them and n.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from framework.config import canonical_json
from framework.fields import is_replicate, leaf_fields
from framework.report.aggregate import aggregate
from framework.report.intervals import estimate

if TYPE_CHECKING:
    from framework.tracking.results import Results

SEED, LEARN, RATE, WIDTH = "seed", "learn", "training.learning_rate", "network.width"
SHORT = {
    "network.kind": "network",
    "network.parametrisation": "parametrisation",
    WIDTH: "width",
    RATE: "rate",
    "training.balancing.kind": "balancing",
}
EVERY_TASK = "all"
SCORES = ("mse", "r2")
PAIRED = ("test/r2_{task}_outside", "test/mse_{task}_outside", "test/r2_{task}_inside", "test/mse_{task}_inside")
NOTCH = 2.0
"""The factor from one learning rate to the next."""


def settings_of(results: "Results") -> tuple[pd.DataFrame, list[str]]:
    """The finished runs with a short name for what was swept besides seeds, and these names.

    A factor that follows from those before it, as what a stack is made of does from its kind, is left out.
    """
    runs = results.runs[results.runs["state"] == "finished"].reset_index(drop=True)
    seeds = {name for name, info in leaf_fields(results.config) if is_replicate(info)}
    swept = [name for name in results.factors if name in runs and name not in seeds]
    order = [name for name in (*SHORT, LEARN) if name in swept]
    columns: list[str] = []
    for name in dict.fromkeys([*order, *swept]):
        short = SHORT.get(name, name)
        values = runs[name].map(_text)
        if columns and not (values.groupby([runs[c] for c in columns], dropna=False).nunique() > 1).any():
            continue
        runs = runs.assign(**{short: values})
        columns.append(short)
    return runs, columns


def scores_in(runs: pd.DataFrame) -> list[str]:
    """The columns of the scores: r2 first, by task."""
    names = [str(name) for name in runs if str(name).startswith(("test/mse_", "test/r2_"))]
    return sorted(names, key=lambda name: (name.split("_", 1)[0], name))


def by_setting(runs: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Mean, standard deviation and n of every score, by setting, as they were swept."""
    orders = {name: list(dict.fromkeys(runs[name])) for name in columns}
    ranked = {name: pd.Categorical(runs[name], order, ordered=True) for name, order in orders.items()}
    scored = runs.assign(**{name: pd.to_numeric(runs[name]) for name in scores_in(runs)}, **ranked)
    return aggregate(scored, list(columns), scores_in(runs)).astype(dict.fromkeys(orders, object))


def effects(runs: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """What it changes for a task to be learnt with others, seed by seed, by what else was swept.

    Rows: each task that was learnt alone, score, and setting of the runs with all tasks. Columns: task, score,
    alone and together (means), the mean difference, its interval (low, high; 95 %, of t over seeds), and n seeds.
    Runs alone are compared with every setting that they do not depend on.
    """
    if LEARN not in columns:
        return pd.DataFrame()
    rest = [name for name in columns if name != LEARN]
    alone, together = runs[runs[LEARN] != EVERY_TASK], runs[runs[LEARN] == EVERY_TASK]
    rows: list[dict[str, Any]] = []
    for learn, own in alone.groupby(LEARN, sort=False):
        task = _only(str(learn))
        if task is None:
            continue
        for key, others in together.groupby(rest, sort=False, dropna=False) if rest else [((), together)]:
            about = dict(zip(rest, key if isinstance(key, tuple) else (key,), strict=True))
            rows += _differences(task, own, others, about)
    return pd.DataFrame(rows)


def _differences(
    task: str, alone: pd.DataFrame, together: pd.DataFrame, about: dict[str, Any]
) -> list[dict[str, Any]]:
    found = []
    for score in (name.format(task=task) for name in PAIRED):
        if score not in alone or score not in together:
            continue
        one, other = (pd.to_numeric(frame.groupby(SEED)[score].mean()) for frame in (alone, together))
        seeds = one.index.intersection(other.index)
        difference = other[seeds] - one[seeds]
        interval = estimate(difference.to_list(), [(seed,) for seed in seeds])
        means = {"alone": float(one[seeds].mean()), "together": float(other[seeds].mean())}
        told = {"difference": interval.mean, "low": interval.low, "high": interval.high, "n": len(seeds)}
        found.append({"task": task, "score": score.removeprefix("test/"), **about, **means, **told})
    return found


def best_rates(runs: pd.DataFrame, columns: Sequence[str], score: str) -> pd.DataFrame:
    """The rate with the least mean error, by setting, and how many notches it lies from the least width's.

    Columns: the setting without the rate, rate, `score`, n seeds, notches (of a factor of 2 each). A rate with
    which any seed diverged is left out.
    """
    rest = [name for name in columns if name != "rate"]
    seeds = int(runs[SEED].nunique())
    means = runs.assign(rate=pd.to_numeric(runs["rate"]), error=pd.to_numeric(runs[score]))
    found = means.groupby([*rest, "rate"], sort=False)["error"].agg(["mean", "count"]).reset_index()
    found = found[np.isfinite(found["mean"]) & (found["count"] == seeds)]
    best = found.loc[found.groupby(rest, sort=False)["mean"].idxmin()].rename(
        columns={"mean": score, "count": "n"}
    )
    least = best.assign(width=pd.to_numeric(best["width"])).sort_values("width")
    others = [name for name in rest if name != "width"]
    first = least.groupby(others, sort=False)["rate"].transform("first") if others else least["rate"].iloc[0]
    notches = np.log(least["rate"] / first) / np.log(NOTCH)
    return pd.DataFrame(least.assign(notches=notches).reset_index(drop=True))


def _only(learn: str) -> str | None:
    """The task of `["task_0"]`; None for several."""
    names = learn.strip("[]").replace('"', "").split(",")
    return names[0] if len(names) == 1 else None


def _text(value: object) -> object:
    """Lists and mappings as text: groups need values that can be compared. Null learns all tasks."""
    if isinstance(value, list | tuple | dict):
        return canonical_json(value)
    return EVERY_TASK if value is None or (isinstance(value, float) and np.isnan(value)) else value
