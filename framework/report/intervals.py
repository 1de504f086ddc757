"""How sure a mean over pairs of models is: intervals from the models that were trained, not from the rows.

Pairs that share a model are not independent, and draws of anchors that every pair uses are not either: a table of
12 pairs and 3 draws has 36 rows and the information of four models. The mean over all rows gets its variance from
leaving out one unit at a time [1; 2, CR3], for models and for draws by themselves,

    V_models = Σ_s (k_s - 1)/k_s Σ_{i in s} (θ_(-i) - θ̄_s)²                                                     (1)
    V_draws  = (D - 1)/D Σ_d (θ_(-d) - θ̄)²                                                                      (2)
    V        = V_models + V_draws,   θ ± t(ν) sqrt(V),   ν = V² / (V_models² / ν_models + V_draws² / ν_draws)   (3)

where θ_(-i) is the mean without every pair that model i is part of, in strata s of k_s models of one kind. Kinds
are chosen, not drawn: each combination of them keeps its weight in θ_(-i). ν_models = Σ_s (k_s - 1) and
ν_draws = D - 1; (3) is Satterthwaite's. Where pairs fall into groups that share no model, groups are left out one
at a time, and models that always come together are one. The noise of single rows counts in both terms, so that
intervals are rather too wide than too narrow, but of two draws, whose spread is hardly known.

[1] Efron and Stein, "The jackknife estimate of variance", Annals of Statistics 9, 1981.
[2] MacKinnon, Nielsen and Webb, "Cluster-robust inference: a guide to empirical practice", J. Econometrics, 2023.
"""

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special  # type: ignore[import-untyped]

from framework.errors import InvalidInput, Problem
from framework.values import is_number

LEAST = 3
"""Models or groups; fewer have no interval."""
LEVEL = 0.95


class Estimate(NamedTuple):
    """A mean with its interval.

    Attributes:
        mean: Over all rows.
        low, high: Ends of the interval (3); NaN where there are fewer than three units, or one of some kind.
        units: Models, or groups of pairs that share none, that it rests on.
        draws: Draws that it rests on; of a single one the interval knows nothing of how draws differ.
        rows: Numbers averaged.
    """

    mean: float
    low: float
    high: float
    units: int
    draws: int
    rows: int


def of_replicates(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean of one number a replicate, and the ends of its interval; NaN where there are fewer than three."""
    found = estimate(list(values), [(number,) for number in range(len(values))])
    return found.mean, found.low, found.high


def estimate(
    values: Sequence[float] | pd.Series,
    models: Sequence[tuple[Hashable, ...]],
    *,
    kinds: Sequence[tuple[Hashable, ...]] | None = None,
    draws: Sequence[Hashable] | pd.Series | None = None,
    level: float = LEVEL,
) -> Estimate:
    """The mean of `values` (N,) and its interval (3).

    Args:
        values: One number a row.
        models: Of each row the models that it is of: a pair, or any number of them.
        kinds: Of each row the kinds of these models, in the same order; None takes all for one kind.
        draws: Of each row the draw that it is of; None where nothing was drawn.
        level: Share of intervals that hold the true mean, in (0, 1).

    Raises:
        InvalidInput: columns of different lengths, or another level.
    """
    y_N = np.asarray(values, dtype=np.float64)
    _refuse(len(y_N), level, models=models, kinds=kinds, draws=draws)
    members, strata = _units(tuple(models), None if kinds is None else tuple(kinds))
    of_draw = [] if draws is None else list(draws)
    by_draw = list(dict.fromkeys(of_draw))
    mean = float(y_N.mean()) if len(y_N) else float("nan")
    about = (len(members), max(1, len(by_draw)), len(y_N))
    if len(members) < LEAST or min(map(len, strata)) < 2:
        return Estimate(mean, float("nan"), float("nan"), *about)
    cells_N = pd.factorize(pd.Series([tuple(row) for row in kinds]) if kinds is not None else np.zeros(len(y_N)))[
        0
    ]
    terms = [(_left_out(y_N, cells_N, [members[unit] for unit in units]), len(units) - 1) for units in strata]
    parts = [(sum(variance for variance, _ in terms), sum(freedom for _, freedom in terms))]
    if len(by_draw) > 1:
        places = [np.array([given == draw for given in of_draw]) for draw in by_draw]
        parts.append((_left_out(y_N, cells_N, places), len(by_draw) - 1))
    variance = sum(part for part, _ in parts)
    if not np.isfinite(variance):
        return Estimate(mean, float("nan"), float("nan"), *about)
    below = sum(part**2 / freedom for part, freedom in parts)
    freedom = variance**2 / below if below else float(parts[0][1])
    margin = float(special.stdtrit(freedom, (1 + level) / 2)) * float(np.sqrt(variance))
    return Estimate(mean, mean - margin, mean + margin, *about)


def estimates(
    frame: pd.DataFrame,
    by: Sequence[str],
    value: str,
    *,
    models: Sequence[str],
    kinds: Sequence[str] | None = None,
    draw: str | None = None,
) -> pd.DataFrame:
    """`estimate` of the column `value` for each combination of the factors `by`: columns `by`, then its fields.

    `models`, `kinds` and `draw` name the columns that hold them. Rows without a value are left out.
    """
    rows = []
    known = frame[frame[value].notna()]
    for keys, group in known.groupby(list(by), dropna=False, sort=True, observed=True):
        found = estimate(
            group[value],
            list(group[list(models)].itertuples(index=False, name=None)),
            kinds=None if kinds is None else list(group[list(kinds)].itertuples(index=False, name=None)),
            draws=None if draw is None else group[draw],
        )
        rows.append(dict(zip(by, keys, strict=True)) | found._asdict())
    return pd.DataFrame(rows, columns=[*by, *Estimate._fields])


def _refuse(number: int, level: float, **columns: Sequence[Any] | pd.Series | None) -> None:
    problems = [
        Problem(name, f"has {len(column)} rows where values has {number}; allowed: one for each")
        for name, column in columns.items()
        if column is not None and len(column) != number
    ]
    if not (is_number(level) and 0 < level < 1):
        problems.append(Problem("level", f"is {level!r}; allowed: a share between 0 and 1, as 0.95"))
    if problems:
        raise InvalidInput(problems, "estimate")


@lru_cache(maxsize=64)
def _units(
    models: tuple[tuple[Hashable, ...], ...], kinds: tuple[tuple[Hashable, ...], ...] | None
) -> tuple[list[npt.NDArray[np.bool_]], list[list[int]]]:
    """What is left out: the rows of each unit, and the units of each stratum. All groups of a table have the same.

    Groups of pairs that share no model where there are three of them or more, else models; models that are part of
    the same rows, as the two of a pair that meets no other, are one unit.
    """
    groups = _groups(models)
    together = max(groups, default=-1) + 1
    if together >= LEAST:
        members = [np.array([group == number for group in groups]) for number in range(together)]
        signs: list[Hashable] = [None] * together
        for place, group in enumerate(groups):
            signs[group] = None if kinds is None else tuple(sorted({*map(str, kinds[place])}))
    else:
        every = dict.fromkeys(name for row in models for name in row)
        rows_of = {name: np.array([name in row for row in models]) for name in every}
        told_apart = {rows_N.tobytes(): name for name, rows_N in reversed(rows_of.items())}
        names = [name for name in every if told_apart[rows_of[name].tobytes()] == name]
        members = [rows_of[name] for name in names]
        kind_of: dict[Hashable, Hashable] = {}
        for place, row in enumerate(models):
            kind_of |= dict(zip(row, kinds[place] if kinds is not None else (None,) * len(row), strict=True))
        signs = [kind_of[name] for name in names]
    strata: dict[Hashable, list[int]] = {}
    for unit, sign in enumerate(signs):
        strata.setdefault(sign, []).append(unit)
    return members, list(strata.values())


def _groups(models: Sequence[tuple[Hashable, ...]]) -> list[int]:
    """The number of each row's group: rows that share a model, by however many others, are of one."""
    of: dict[Hashable, int] = {}
    joined: list[int] = []  # a group that was joined to an earlier one names that one

    def root(group: int) -> int:
        while joined[group] != group:
            group = joined[group]
        return group

    for row in models:
        known = sorted({root(of[name]) for name in row if name in of})
        first = known[0] if known else len(joined)
        if not known:
            joined.append(first)
        for other in known[1:]:
            joined[other] = first
        of |= dict.fromkeys(row, first)
    roots = [root(of[row[0]]) for row in models]
    numbers = {group: number for number, group in enumerate(dict.fromkeys(roots))}
    return [numbers[group] for group in roots]


def _left_out(
    y_N: npt.NDArray[np.float64], cells_N: npt.NDArray[np.intp], members: Sequence[npt.NDArray[np.bool_]]
) -> float:
    """(k - 1)/k Σ (θ_(-i) - θ̄)² over the units; NaN where one unit is part of every row of a cell."""
    weights_C = np.bincount(cells_N) / len(y_N)
    means = []
    for rows_N in members:
        kept_C = np.bincount(cells_N[~rows_N], minlength=len(weights_C))
        if not kept_C.all():
            return float("nan")
        means.append(weights_C @ (np.bincount(cells_N[~rows_N], y_N[~rows_N], len(weights_C)) / kept_C))
    count = len(means)
    return float((count - 1) / count * np.square(np.array(means) - np.mean(means)).sum())
