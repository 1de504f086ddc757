"""How good every family is: in each run, in each setting, and on the terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from framework.config import canonical_json
from framework.fields import is_replicate, leaf_fields
from framework.report.aggregate import aggregate

if TYPE_CHECKING:
    from framework.tracking.results import Results

SETTING = {"base.data.name": "dataset", "base.model.kind": "architecture", "scenario.kind": "scenario"}
FAMILY = ("family", "stage", "recipe")
SCORES = ("accuracy", "cross_entropy")
SPLITS = ("test", "val", "train")
PARENTS, BEST, ENSEMBLE = "parents", "best_parent", "ensemble"
DIFFERENCES = {"pp_over_parents": PARENTS, "pp_over_best_parent": BEST, "pp_over_ensemble": ENSEMBLE}
STAGES = ("base", "parent", "merged", "fused", "ensemble")


def settings_of(results: "Results") -> pd.DataFrame:
    """`run_id` and what sets runs apart besides seeds: data set, architecture, scenario, what else is swept."""
    runs = results.runs
    seeds = {name for name, info in leaf_fields(results.config) if is_replicate(info)}
    further = [name for name in results.factors if name in runs and name not in (*SETTING, *seeds)]
    columns = {name: short for name, short in SETTING.items() if name in runs} | {name: name for name in further}
    frame = pd.DataFrame(
        {"run_id": runs["run_id"], **{short: runs[name].map(_scalar) for name, short in columns.items()}}
    )
    return frame.drop(columns=_told_by_others(frame, further))


def _told_by_others(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Those of `names` that follow from the columns before them, as the shares of noise do from the scenario."""
    kept = [name for name in SETTING.values() if name in frame]
    told: list[str] = []
    for name in names:
        varies = (frame.groupby(kept, dropna=False)[name].nunique(dropna=False) > 1).any()
        (kept if varies else told).append(name)
    return told


def per_run(models: pd.DataFrame) -> pd.DataFrame:
    """A row a run and family: `<score>_<split>`, `pp_over_…` and `seconds`.

    Two families are added to each run: `parents`, the mean of its fine-tuned models, and `best_parent`, the one
    that is best on val (the first of equal ones). A difference is of test accuracies within a run.
    """
    keys = ["run_id", *FAMILY]
    models = models.assign(recipe=models["recipe"].fillna(""))  # a missing key would fall out of the groups
    found = models.groupby(keys, sort=False)[["seconds"]].mean()
    for split in models["split"].unique():
        scores = models[models["split"] == split].groupby(keys)[list(SCORES)].mean()
        found = found.join(scores.add_suffix(f"_{split}"))
    found = found.reset_index()
    parents = found[found["stage"] == "parent"]
    mean = parents.drop(columns=list(FAMILY)).groupby("run_id").mean().reset_index().assign(family=PARENTS)
    best = parents.loc[parents.groupby("run_id")["accuracy_val"].idxmax()].assign(family=BEST)
    found = pd.concat([found, *(rows.assign(stage="parent", recipe="") for rows in (mean, best))])
    for column, family in DIFFERENCES.items():
        of_run = found.loc[found["family"] == family].set_index("run_id")["accuracy_test"]
        found[column] = 100 * (found["accuracy_test"] - found["run_id"].map(of_run))
    return found.reset_index(drop=True)


def by_family(runs: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Mean, standard deviation and n of every number, by setting and family, in reading order."""
    scores = [f"{score}_{split}" for split in SPLITS for score in SCORES if f"{score}_{split}" in runs]
    return averaged(runs, [*names, *FAMILY], [*scores[:2], *DIFFERENCES, *scores[2:], "seconds"])


def averaged(frame: pd.DataFrame, by: Sequence[str], values: Sequence[str]) -> pd.DataFrame:
    """`aggregate` with families in reading order and scenarios as they were swept."""
    orders = {"family": families_of(frame), "scenario": list(frame["scenario"].drop_duplicates())}
    orders = {name: order for name, order in orders.items() if name in by}
    ranked = {name: pd.Categorical(frame[name], order, ordered=True) for name, order in orders.items()}
    return aggregate(frame.assign(**ranked), by, values).astype(dict.fromkeys(orders, str))


def families_of(frame: pd.DataFrame) -> list[str]:
    """The base, each parent, their mean and best, the recipes in their own order, the ensemble."""
    rows = frame.drop_duplicates("family")
    place = rows["stage"].map(STAGES.index) + rows["family"].map({PARENTS: 0.1, BEST: 0.2}).fillna(0)
    return list(rows.assign(_place=place).sort_values("_place", kind="stable")["family"])


def shown(families: Sequence[str]) -> list[str]:
    """Those that are shown to people: of the parents the mean and the best."""
    return [family for family in families if not family.startswith("parent_")]


def brief(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """For the terminal: a row a family, and of each setting the test accuracy in per cent.

    A second column of each setting has the difference to the mean parent in percentage points (pp).
    """
    rows = table[table["family"].isin(shown(list(table["family"])))]
    telling = [name for name in names if table[name].nunique(dropna=False) > 1] or list(names[-1:])
    text = {"family": list(dict.fromkeys(rows["family"]))}
    for key, group in rows.groupby(telling, sort=False, dropna=False):
        of = group.set_index("family").reindex(text["family"])
        name = ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)
        text[f"{name} (%)"] = _with_spread(100 * of["accuracy_test_mean"], 100 * of["accuracy_test_std"])
        text[f"{name} pp"] = [_fixed(value, sign=True) for value in of["pp_over_parents_mean"]]
    return pd.DataFrame(text)


def _with_spread(means: "pd.Series[float]", stds: "pd.Series[float]") -> list[str]:
    pairs = zip(means, stds, strict=True)
    return [_fixed(mean) if pd.isna(std) else f"{_fixed(mean)} ± {_fixed(std)}" for mean, std in pairs]


def _fixed(value: float, *, sign: bool = False) -> str:
    if pd.isna(value):
        return "-"
    return f"{round(value, 2) + 0.0:{'+' if sign else ''}.2f}"


def _scalar(value: object) -> object:
    """Lists and mappings as text: groups need values that can be compared."""
    return canonical_json(value) if isinstance(value, list | tuple | dict) else value
