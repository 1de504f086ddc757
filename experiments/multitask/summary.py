"""What was learnt, by what was swept; the effect of learning another task; the best learning rate by width.

Every number is a mean over runs that differ in their seed alone, with the standard deviation over them and n.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from framework.config import canonical_json
from framework.fields import is_replicate, leaf_fields
from framework.report.aggregate import aggregate, number
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
EVERY_TASK, ABSENT = "all", "-"
SCORES = ("mse", "r2")
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
        values = runs[name].map(partial(_text, name))
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


def brief(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """For the terminal: r2 of each task inside and, where there is an outside, outside; and n."""
    text: dict[str, Any] = {name: [number(value) for value in table[name]] for name in columns}
    for name in table:
        stem = str(name).removesuffix("_mean")
        if stem.startswith("test/r2_") and stem.endswith(("_inside", "_outside")) and str(name).endswith("_mean"):
            pairs = zip(table[name], table[f"{stem}_std"], strict=True)
            text[_words(stem)] = [_with_spread(float(mean), float(std)) for mean, std in pairs]
    return pd.DataFrame({**text, "n": table["n"].to_list()})


def _words(score: str) -> str:
    """`test/r2_task_0_outside` as `task_0 outside (r²)`."""
    task, region = score.removeprefix("test/r2_").rsplit("_", 1)
    return f"{task} {region} (r²)"


def _with_spread(mean: float, std: float) -> str:
    if np.isnan(mean):
        return ABSENT
    return f"{mean:.2f}" if np.isnan(std) else f"{mean:.2f} ± {std:.2f}"


def effects(runs: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """By what factor the error of a task changes if it is learnt with others, seed by seed, by setting.

    Rows: each task that was learnt alone, region, and setting of the runs with all tasks. Columns: task, region,
    alone and together (geometric means of the mean squared error on test), ratio (together / alone), its interval
    (low, high: 95 %, of t over seeds on the logarithm), in how many seeds it is below 1 (better), and n seeds.
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
            rows += [{**about, **found} for found in _ratios(task, own, others)]
    return pd.DataFrame(rows)


def _ratios(task: str, alone: pd.DataFrame, together: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for region in ("outside", "inside"):
        score = f"test/mse_{task}_{region}"
        if score not in alone or score not in together:
            continue
        logs = [np.log(pd.to_numeric(frame.groupby(SEED)[score].first())) for frame in (alone, together)]
        seeds = logs[0].index.intersection(logs[1].index)
        one, other = (log[seeds] for log in logs)
        found = estimate((other - one).to_list(), [(seed,) for seed in seeds])
        ends = {name: float(np.exp(getattr(found, name))) for name in ("low", "high")}
        yield {
            "task": task,
            "region": region,
            "alone": float(np.exp(one.mean())),
            "together": float(np.exp(other.mean())),
            "ratio": float(np.exp(found.mean)),
            **ends,
            "better": int((other < one).sum()),
            "n": len(seeds),
        }


def best_rates(runs: pd.DataFrame, columns: Sequence[str], score: str) -> pd.DataFrame:
    """The best rate by setting, and how many notches it lies from that of the least width.

    Columns: the setting without the rate; rate, `score` and notches (of a factor of 2 each), by the rule of one
    standard error: the least rate whose mean over seeds is within one standard error of the least mean (Breiman et
    al., "Classification and Regression Trees", 1984, section 3.4.3); rate_of_least and notches_of_least, by the
    least mean alone; n seeds. A rate with which any seed diverged is left out.
    """
    rest = [name for name in columns if name != "rate"]
    seeds = int(runs[SEED].nunique())
    means = runs.assign(rate=pd.to_numeric(runs["rate"]), error=pd.to_numeric(runs[score]))
    found = means.groupby([*rest, "rate"], sort=False)["error"].agg(["mean", "sem", "count"]).reset_index()
    found = found[np.isfinite(found["mean"]) & (found["count"] == seeds)]
    least = found.loc[found.groupby(rest, sort=False)["mean"].idxmin()].fillna({"sem": 0.0})
    limits = least.assign(limit=least["mean"] + least["sem"], rate_of_least=least["rate"])
    near = found.merge(limits[[*rest, "limit", "rate_of_least"]], on=rest)
    near = near[near["mean"] <= near["limit"]]
    best = near.loc[near.groupby(rest, sort=False)["rate"].idxmin()].rename(columns={"mean": score, "count": "n"})
    ordered = best.assign(width=pd.to_numeric(best["width"])).sort_values("width")
    others = [name for name in rest if name != "width"]
    for rate, notches in (("rate", "notches"), ("rate_of_least", "notches_of_least")):
        first = ordered.groupby(others, sort=False)[rate].transform("first") if others else ordered[rate].iloc[0]
        ordered[notches] = np.log(ordered[rate] / first) / np.log(NOTCH)
    shown = [*rest, "rate", score, "notches", "rate_of_least", "notches_of_least", "n"]
    return pd.DataFrame(ordered[shown].reset_index(drop=True))


def _only(learn: str) -> str | None:
    """The task of `["task_0"]`; None for several."""
    names = learn.strip("[]").replace('"', "").split(",")
    return names[0] if len(names) == 1 else None


def _text(name: str, value: object) -> object:
    """Lists and mappings as text: groups need values that can be compared. `learn` that is null is all."""
    if isinstance(value, list | tuple | dict):
        return canonical_json(value)
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return EVERY_TASK if name == LEARN else ABSENT
    return value
