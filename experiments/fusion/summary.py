"""How good every family is: in each run, in each setting, and on the terminal."""

from collections.abc import Sequence

import pandas as pd

from experiments.fusion.figures.looks import ENSEMBLE, PARENTS, Looks, name_of
from experiments.fusion.settings import PARENTS_JOINED, Settings
from framework.report.aggregate import aggregate
from framework.report.intervals import estimates

SCORES = ("accuracy", "cross_entropy")
SPLITS = ("test", "val", "train")
FAMILY = ("family", "stage", "recipe")
LINE, GAP = 110, 2  # characters: of a line on the terminal, and between two columns
# Of each column for the terminal: its name there, what it is multiplied by, and its digits behind the point.
BRIEF = {
    "accuracy_test": ("accuracy (%)", 100, 2),
    "cross_entropy_test": ("loss (nats)", 1, 4),
    "pp_over_parents": ("pp over parents", 1, 2),
    "pp_over_ensemble": ("pp over ensemble", 1, 2),
}
DIFFERENCES = {"pp_over_parents": PARENTS, "pp_over_ensemble": ENSEMBLE}


def per_run(models: pd.DataFrame) -> pd.DataFrame:
    """A row a run and family: `<score>_<split>`, `gap`, `pp_over_…` and `seconds`.

    The family `parents` is added, the mean of a run's parents. `gap` is the generalisation gap, train less test
    accuracy, in [-1, 1]; a difference to what a run lacks is NaN.
    """
    keys = ["run_id", *FAMILY]
    models = models.assign(recipe=models["recipe"].fillna(""))  # a missing key would fall out of the groups
    # Runs of before tell no parents; each then stands for itself.
    told = models.assign(parents=models["parents"] if "parents" in models else models["run_id"])
    of_run = dict(zip(told["run_id"], told["parents"], strict=True))
    found = models.groupby(keys, sort=False)[["seconds"]].mean()
    for split in models["split"].unique():
        scores = models[models["split"] == split].groupby(keys)[list(SCORES)].mean()
        found = found.join(scores.add_suffix(f"_{split}"))
    found = found.reset_index()
    parents = found[found["stage"] == "parent"].drop(columns=list(FAMILY)).groupby("run_id").mean().reset_index()
    parents = parents.assign(family=PARENTS, stage="parent", recipe="")
    found = pd.concat([found, parents], ignore_index=True)
    accuracy = found["accuracy_test"]
    for column, family in DIFFERENCES.items():
        other = found.loc[found["family"] == family].set_index("run_id")["accuracy_test"]
        found[column] = 100 * (accuracy - found["run_id"].map(other).astype(float))
    found["parents"] = found["run_id"].map(of_run)
    found["gap"] = found["accuracy_train"] - accuracy if "accuracy_train" in found else float("nan")
    return found


def by_family(runs: pd.DataFrame, names: list[str], looks: Looks) -> pd.DataFrame:
    """The whole table: mean, standard deviation and n of every number, by setting and family.

    Test accuracy and the differences have an interval over parents, `_low` and `_high`, where there are three
    groups of runs that share none, or three parents that meet in several runs; else NaN.
    """
    scores = [f"{score}_{split}" for split in SPLITS for score in SCORES if f"{score}_{split}" in runs]
    metrics = [*scores[:2], *DIFFERENCES, *scores[2:], "seconds"]
    by = [*names, *FAMILY]
    table = averaged(runs, by, [metric for metric in metrics if metric in runs], looks)
    split = runs["parents"].str.split(PARENTS_JOINED, expand=True, regex=False)
    names_of_parents = [f"_parent_{place}" for place in split]
    parents = split.set_axis(names_of_parents, axis="columns")
    for metric in ("accuracy_test", *DIFFERENCES):
        found = estimates(runs.join(parents), by, metric, models=names_of_parents)
        ends = {"low": f"{metric}_low", "high": f"{metric}_high"}
        table = table.merge(
            found[[*by, *ends]].rename(columns=ends).astype(dict.fromkeys(FAMILY, str)), how="left"
        )
    return table


def averaged(frame: pd.DataFrame, by: Sequence[str], values: Sequence[str], looks: Looks) -> pd.DataFrame:
    """`aggregate` with families and recipes in reading order, and metrics in the order in which they came."""
    orders = {"family": looks.families, "recipe": ["", *looks.recipes]}
    orders |= {"metric": list(frame["metric"].drop_duplicates())} if "metric" in frame else {}
    orders = {name: order for name, order in orders.items() if name in by}
    # What the models do not name comes last; left out, it would fall out of the groups.
    orders = {name: list(dict.fromkeys([*order, *frame[name]])) for name, order in orders.items()}
    ranked = {name: pd.Categorical(frame[name], order, ordered=True) for name, order in orders.items()}
    table = aggregate(frame.assign(**ranked), by, values)
    return table.astype(dict.fromkeys(orders, str))


def brief(table: pd.DataFrame, settings: Settings, looks: Looks) -> pd.DataFrame:
    """For the terminal: test accuracy in per cent, test loss, and the gain in percentage points (pp), as text.

    Parents are one row, their mean; networks that were only brought into another basis are left out. So is the
    difference to the ensemble where the line is full: it can be told from the ensemble's row.
    """
    rows = table[table["family"].isin(looks.shown(table["family"]))]
    text = settings.shown(rows).assign(family=rows["family"].map(name_of))
    for name, (header, scale, digits) in BRIEF.items():
        mean, std = scale * rows[f"{name}_mean"], scale * rows[f"{name}_std"]
        if mean.notna().any():
            ends = [scale * rows[f"{name}_{end}"] for end in ("low", "high") if name in DIFFERENCES]
            told = zip(mean, std, *ends, strict=True)
            text[header] = [_fixed(*numbers, digits=digits) for numbers in told]
    text = text.assign(n=rows["n"]).reset_index(drop=True)
    widths = [max(len(str(name)), *(len(str(cell)) for cell in text[name])) for name in text]
    full = sum(widths) + GAP * (len(widths) - 1) > LINE
    return text.drop(columns=BRIEF["pp_over_ensemble"][0], errors="ignore") if full else text


def _fixed(mean: float, std: float, *ends: float, digits: int) -> str:
    """As many digits behind the point in a whole column; with the ends of an interval, or a standard deviation."""
    if pd.isna(mean):
        return "-"
    number, *interval = (f"{round(value, digits) + 0.0:.{digits}f}" for value in (mean, *ends))  # no sign before 0
    if interval:
        return f"{number} [{'undefined' if any(map(pd.isna, ends)) else ', '.join(interval)}]"
    return number if pd.isna(std) else f"{number} ± {std:.{digits}f}"
