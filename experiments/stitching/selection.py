"""Which λ and which mapping: chosen on the val split, reported on the other, with intervals over models and draws.

Within each run, draw and number of anchors the λ with the best score on val is taken; what is then averaged is its
score on the split that the run reports. Two mappings are compared by the difference within each pair of models and
draw, since the pairs share models (`framework.report.intervals`).
"""

from collections.abc import Sequence

import pandas as pd

from experiments.stitching.figures.looks import ROLES, Score
from framework.report.intervals import estimates

PLACE = ("mapping", "num_samples")
KINDS = ("source_kind", "target_kind")
DRAW = "sampling_seed"


def has_val(results: pd.DataFrame, score: Score) -> bool:
    """Whether the runs scored their cells on val, by which something can be chosen."""
    name = f"{score.key}_stitched_val"
    return name in results and bool(results[name].notna().any())


def with_chosen_ridge(results: pd.DataFrame, score: Score) -> pd.DataFrame:
    """Of each run, draw and number of anchors the row whose λ is best on val; of equal ones the first."""
    known = results[results[f"{score.key}_stitched_val"].notna()]
    groups = known.groupby(["run_id", *_draw(known), "num_samples"], sort=False)[f"{score.key}_stitched_val"]
    return known.loc[groups.idxmax() if score.higher_is_better else groups.idxmin()]


def shown(results: pd.DataFrame, score: Score) -> pd.DataFrame:
    """The rows that figures show: those of the λ that val chose, or where nothing was scored on val, of the least
    positive λ of each mapping. Neither is chosen by the score that is shown.
    """
    results = results[results[f"{score.key}_stitched"].notna()]
    if has_val(results, score):
        return with_chosen_ridge(results, score)
    least = results["ridge"].where(results["ridge"] > 0).groupby(results["mapping"]).transform("min")
    return results[results["ridge"] == least.fillna(0.0)]


def scored(chosen: pd.DataFrame, by: Sequence[str], name: str) -> pd.DataFrame:
    """Means of the column `name` by the columns `by`, with intervals over models and draws (`estimates`)."""
    return estimates(chosen, by, name, models=_models(chosen), kinds=KINDS, draw=_drawn(chosen))


def selected(results: pd.DataFrame, setting: Sequence[str], score: Score) -> pd.DataFrame:
    """A row for each setting, mapping and number of anchors, with λ chosen on val.

    Returns:
        `<key>_stitched_mean`, `_std` over rows, `_low` and `_high` of the interval, `<key>_val_mean`, the parents'
        means, the smallest and largest `ridge_low` and `ridge_high` that were chosen, and what the mean rests on:
        `n` rows, of so many `pairs` and `draws`, of `units` models or groups of pairs.
    """
    chosen = with_chosen_ridge(results, score)
    by = [*setting, *PLACE]
    name = f"{score.key}_stitched"
    table = scored(chosen, by, name)
    table = table.rename(columns={part: f"{name}_{part}" for part in ("mean", "low", "high")} | {"rows": "n"})
    groups = chosen.groupby(by, dropna=False, sort=True, observed=True)
    more = {
        f"{name}_std": groups[name].std(ddof=1),
        f"{score.key}_val_mean": groups[f"{name}_val"].mean(),
        **{f"{score.key}_{role}": groups[f"{score.key}_{role}"].mean() for role in _scored_roles(chosen, score)},
        "ridge_low": groups["ridge"].min(),
        "ridge_high": groups["ridge"].max(),
    }
    table = table.assign(**{column: values.to_numpy() for column, values in more.items()})
    table["pairs"] = table["n"] // table["draws"]
    return table


def differences(results: pd.DataFrame, setting: Sequence[str], score: Score) -> pd.DataFrame:
    """Of every mapping but the best on val, how much worse or better it is, within pairs and draws.

    Returns:
        By setting and number of anchors `mapping`, `best`, and the difference `mapping - best` of the score: its
        `mean`, `low` and `high` (NaN where it rests on fewer than three models), and what it rests on. Where the
        interval holds 0, the data do not tell the two apart; of many such intervals one in twenty misses the true
        difference.
    """
    chosen = with_chosen_ridge(results, score)
    name, by = f"{score.key}_stitched", [*setting, "num_samples"]
    keys = [*_models(chosen), *by, *_draw(chosen)]
    found = []
    groups = chosen.groupby(by, dropna=False, sort=True, observed=True)
    for _, group in groups:
        means = group.groupby("mapping", sort=False)[f"{name}_val"].mean()
        best = str(means.idxmax() if score.higher_is_better else means.idxmin())
        of_best = group.loc[group["mapping"] == best, [*keys, name]].rename(columns={name: "of_best"})
        pairs = group[group["mapping"] != best].merge(of_best, on=keys).assign(best=best)
        found.append(pairs.assign(difference=pairs[name] - pairs["of_best"]))
    rows = pd.concat(found, ignore_index=True) if found else chosen.assign(best="", difference=0.0).iloc[:0]
    return scored(rows, [*by, "mapping", "best"], "difference")


def _models(results: pd.DataFrame) -> list[str]:
    """The columns that tell models apart; names stand in where runs logged no ids."""
    return [f"{role}_id" if f"{role}_id" in results else role for role in ROLES]


def _draw(results: pd.DataFrame) -> list[str]:
    return [DRAW] if DRAW in results else []


def _drawn(results: pd.DataFrame) -> str | None:
    return DRAW if DRAW in results else None


def _scored_roles(results: pd.DataFrame, score: Score) -> list[str]:
    return [role for role in ROLES if f"{score.key}_{role}" in results]
