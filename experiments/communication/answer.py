"""Does the error of a map go with what becomes of a fused pair?

Held against one another, over pairs of classifiers on test: the share of variance that a map leaves unexplained
at a layer, and accuracy and barriers of the networks fused by an alignment. By Spearman's ρ, with p over
labellings of the networks (`framework.metrics.mantel`), in four scopes:

    a group's label   the pairs of one setting
    within            all groups, each by its own ranks; `p_holm` is for all tests of this scope together
    pooled            all pairs whatever their group: what was chosen for the groups is in it, and `by_groups` is
                      what that alone gives
    between           the means of the groups, n of them, with p over their orders
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from experiments.communication.names import CLASSIFIERS, NETWORK, SPLIT
from experiments.communication.summary import ERROR, PAIR, PARENTS, maps_of
from framework.metrics.correlation import FEWEST as FEWEST_GROUPS
from framework.metrics.correlation import correlation
from framework.metrics.mantel import FEWEST, Mantel, complete, holm, mantel

OUTCOMES = ("accuracy", "barrier_cross_entropy", "barrier_error")
WITHIN, POOLED, BETWEEN = "within", "pooled", "between"
COLUMNS = (
    *("scope", "unit", "map", "alignment", "outcome", "rho", "p", "p_holm", "by_groups", "critical"),
    *("pairs", "models", "groups", "labellings", "exact"),
)


class Wide(NamedTuple):
    """A row a pair of classifiers, and which columns hold what.

    Attributes:
        frame: `PAIR`, `label`, and a column for each of the others.
        errors: Column by (unit, map).
        outcomes: Column by (alignment, outcome).
    """

    frame: pd.DataFrame
    errors: dict[tuple[str, str], str]
    outcomes: dict[tuple[str, str], str]


def wide(pairs: pd.DataFrame) -> Wide:
    """The pairs of classifiers whose groups can be tested: of three networks or more, with every pair of them."""
    rows = pairs[(pairs["subject"] == CLASSIFIERS) & (pairs["split"] == SPLIT)]
    rows = rows[rows["method"] != PARENTS]
    kept = {model for _, of in rows.groupby("group") for model in _testable(of)}
    rows = rows[rows["first"].isin(kept) & rows["second"].isin(kept)]
    maps = maps_of(rows)
    of_maps = rows[(rows["metric"] == ERROR) & rows["method"].isin(maps)]
    of_networks = rows[(rows["unit"] == NETWORK) & rows["metric"].isin(OUTCOMES)]
    errors = {key: f"error {' '.join(key)}" for key in _keys(of_maps, "unit", "method")}
    outcomes = {key: " ".join(key) for key in _keys(of_networks, "method", "metric")}
    frame = rows[[*PAIR, "label"]].drop_duplicates().set_index(list(PAIR))
    for found, names, keys in (
        (of_maps, errors, ("unit", "method")),
        (of_networks, outcomes, ("method", "metric")),
    ):
        for key, name in names.items():
            of = (found[keys[0]] == key[0]) & (found[keys[1]] == key[1])
            frame[name] = found[of].set_index(list(PAIR))["value"]
    return Wide(frame.reset_index(), errors, outcomes)


def answers(table: Wide) -> pd.DataFrame:
    """A row a scope, layer, map, alignment and outcome, with the columns of `COLUMNS`."""
    rows = []
    if not table.frame.empty:
        for (unit, of_map), error in table.errors.items():
            for (alignment, outcome), result in table.outcomes.items():
                about = {"unit": unit, "map": of_map, "alignment": alignment, "outcome": outcome}
                rows += [{**about, **row} for row in _scopes(table.frame, error, result)]
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    is_within = found["scope"] == WITHIN
    found.loc[is_within, "p_holm"] = holm(found.loc[is_within, "p"].tolist())
    return found.astype({"p_holm": float})


def left_out(pairs: pd.DataFrame) -> list[str]:
    """A sentence where networks are not tested, since pairs of theirs are missing."""
    rows = pairs[pairs["subject"] == CLASSIFIERS]
    notes = []
    for label, of in rows.groupby("label", sort=False):
        models = {*of["first"], *of["second"]}
        missing = len(models) - len(_testable(of))
        if missing:
            notes.append(
                f"{missing} of {len(models)} networks of {label} are left out of the correlations: labels can be "
                f"exchanged among {FEWEST} or more whose pairs have all finished"
            )
    return notes


def _scopes(frame: pd.DataFrame, error: str, result: str) -> Iterator[dict[str, Any]]:
    # A group with a network that gave no finite number is not tested by this.
    missing = frame[error].isna() | frame[result].isna()
    frame = frame[~frame["group"].isin(frame.loc[missing, "group"])]
    if frame.empty:
        return
    for label, rows in frame.groupby("label", sort=False):
        yield {"scope": label, **_tested(rows, error, result, WITHIN)}
    if frame["group"].nunique() == 1:
        yield {"scope": WITHIN, **_tested(frame, error, result, WITHIN)}
        return
    for scope in (WITHIN, POOLED):
        yield {"scope": scope, **_tested(frame, error, result, scope)}
    of_groups = frame.groupby("group")[[error, result]].mean()
    if len(of_groups) >= FEWEST_GROUPS:
        found = correlation("spearman", of_groups[error].to_numpy(), of_groups[result].to_numpy())
        told = {"rho": found.coefficient, "p": found.p_value, "groups": found.n}
        models = len({*frame["first"], *frame["second"]})
        yield {"scope": BETWEEN, **told, "pairs": len(frame), "models": models}


def _tested(frame: pd.DataFrame, error: str, result: str, scope: Any) -> dict[str, Any]:
    ends = list(zip(frame["first"], frame["second"], strict=True))
    x_N, y_N = (frame[name].to_numpy(dtype=float) for name in (error, result))
    found: Mantel = mantel(x_N, y_N, ends, list(frame["group"]), scope=scope)
    return vars(found)


def _testable(rows: pd.DataFrame) -> set[Any]:
    """The networks of a group whose labels can be exchanged."""
    ends = rows[["first", "second"]].drop_duplicates()
    kept = complete(list(ends.itertuples(index=False, name=None)))
    return kept if len(kept) >= FEWEST else set()


def _keys(rows: pd.DataFrame, *names: str) -> list[tuple[str, str]]:
    found = rows[list(names)].drop_duplicates()
    return [(str(one), str(other)) for one, other in found.itertuples(index=False, name=None)]
