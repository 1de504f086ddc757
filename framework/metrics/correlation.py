"""Whether a metric moves with another from network to network: Kendall's τ, Pearson's r and Spearman's ρ.

p-values are two-sided, scipy's: for τ exact where n is small and there are no ties, else normal; for r exact for
normal numbers; for ρ by Student's t, but of at most eight networks exact, over all n! orders (by t five networks
in one order would have p = 0, and chance gives that once in 60). Intervals cover 95 %, by Fisher's z,

    tanh(artanh(c) ± 1.96 s),   s² = 1/(n-3) for r,  (1 + ρ²/2)/(n-3) for ρ,  0.437/(n-4) for τ         [1]     (1)

They are rough for few networks too, and there is none (NaN) for n < 4, of τ for n < 5, nor for a coefficient of
exactly ±1, whose z is infinite. A metric that is constant up to rounding, or has fewer than three finite values
(two always lie on a line), has no coefficient: NaN, and "defined" is false.

[1] Bonett and Wright, "Sample size requirements for estimating Pearson, Kendall and Spearman correlations", 2000.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats  # type: ignore[import-untyped]

from framework.errors import InvalidInput, Problem

METHODS: dict[str, Callable[..., Any]] = {
    "kendall": stats.kendalltau,
    "pearson": stats.pearsonr,
    "spearman": stats.spearmanr,
}
COLUMNS = ("family", "metric", "against", "method", "coefficient", "p_value", "ci_low", "ci_high", "n", "defined")
QUANTILE = 1.959963984540054  # of the normal distribution, at 97.5 %

FEWEST = 3  # networks: of two every coefficient is ±1
ROUNDING = 1e-12  # relative to the largest: below it numbers are the same
MOST_ORDERED = 8  # networks of which all orders are tried

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """A coefficient in [-1, 1] with its p-value and the ends of its 95 % interval; `n` pairs of finite numbers."""

    coefficient: float
    p_value: float
    ci_low: float
    ci_high: float
    n: int
    defined: bool


def correlation(method: str, first: Sequence[float] | Array, second: Sequence[float] | Array) -> Correlation:
    """How `first` and `second`, a number of each for each network, move together.

    Raises:
        InvalidInput: another method, vectors of different length, or fewer than three networks.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    problems = []
    if method not in METHODS:
        problems.append(Problem("method", f"is {method!r}; allowed: {', '.join(METHODS)}"))
    if x.shape != y.shape or x.ndim != 1:
        problems.append(Problem("second", f"has shape {y.shape} beside {x.shape}; allowed: two vectors alike"))
    elif len(x) < FEWEST:
        problems.append(Problem("first", _too_few(len(x))))
    if problems:
        raise InvalidInput(problems, "correlation")
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    count = len(x)
    if count < FEWEST or _is_constant(x) or _is_constant(y):
        return _undefined(count)
    found = METHODS[method](x, y)
    coefficient, p_value = float(found.statistic), float(found.pvalue)
    if 1 - abs(coefficient) <= ROUNDING:
        coefficient = math.copysign(1.0, coefficient)
    if method == "spearman" and count <= MOST_ORDERED:
        p_value = _exact_p(stats.rankdata(x), stats.rankdata(y))
    low, high = interval(method, coefficient, count)
    return Correlation(coefficient, p_value, low, high, count, math.isfinite(coefficient))


def _exact_p(first: Array, second: Array) -> float:
    """How often ranks in a random order correlate at least as much as these, over all orders."""
    first, second = first - first.mean(), second - second.mean()
    products = np.abs(second[_orders(len(second))] @ first)
    return float(np.mean(products >= abs(first @ second) - ROUNDING * np.abs(products).max()))


@lru_cache(maxsize=MOST_ORDERED)
def _orders(count: int) -> npt.NDArray[np.intp]:
    """All orders of so many, (n!, n)."""
    return np.array(list(itertools.permutations(range(count))), dtype=np.intp)


def _is_constant(values: Array) -> bool:
    """Whether they differ by no more than rounding."""
    return bool(np.ptp(values) <= ROUNDING * np.abs(values).max())


def interval(method: str, coefficient: float, count: int) -> tuple[float, float]:
    """Equation (1); NaN where there is none."""
    variances = {
        "pearson": (1.0, count - 3),
        "spearman": (1 + coefficient**2 / 2, count - 3),
        "kendall": (0.437, count - 4),
    }
    numerator, freedom = variances[method]
    if freedom < 1 or not abs(coefficient) < 1:
        return math.nan, math.nan
    centre, margin = math.atanh(coefficient), QUANTILE * math.sqrt(numerator / freedom)
    return math.tanh(centre - margin), math.tanh(centre + margin)


def correlations(frame: pd.DataFrame, *, against: str = "accuracy", unit: str = "seed") -> pd.DataFrame:
    """How each metric of each family moves with the metric `against`, from unit to unit.

    Args:
        frame: A row for each measurement, with the columns family, metric, value and the one that `unit` names.
            Where it has a column space, the other metrics of prediction space are left out.
        against: A metric of the frame, for instance accuracy, or inverse_gap.
        unit: The column that tells the networks of a family apart.

    Returns:
        A row for each family, other metric and method, with the columns of `COLUMNS`. A unit in which either
        metric is missing or not finite is left out, and `n` is the number of the others.

    Raises:
        InvalidInput: columns or the metric `against` are missing, a measurement is there twice, or there are fewer
            than three units.
    """
    missing = [column for column in (unit, "family", "metric", "value") if column not in frame]
    if missing:
        columns = ", ".join(map(str, frame.columns))
        raise InvalidInput([Problem(column, f"is no column; there are {columns}") for column in missing], "frame")
    problems = []
    if against not in set(frame["metric"]):
        known = ", ".join(sorted(set(frame["metric"]))) or "none"
        problems.append(Problem("against", f"is {against!r}, which is no metric of the frame; there are: {known}"))
    if frame[unit].nunique() < FEWEST:
        problems.append(Problem(unit, _too_few(frame[unit].nunique())))
    twice = frame[frame.duplicated([unit, "family", "metric"])]
    if len(twice):
        row = twice.iloc[0]
        message = f"{row['metric']} of {row['family']} is there twice for {unit} {row[unit]}; keep one row of it"
        problems.append(Problem("metric", message))
    if problems:
        raise InvalidInput(problems, "frame")
    if "space" in frame:
        frame = frame[(frame["space"] != "prediction") | (frame["metric"] == against)]
    rows = [
        row
        for family, rows in frame.groupby("family", sort=False)
        for row in _of_family(family, rows, against, unit)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _of_family(family: Any, frame: pd.DataFrame, against: str, unit: str) -> list[dict[str, Any]]:
    units = frame[unit].unique()
    by_metric = {
        str(metric): rows.set_index(unit)["value"].reindex(units).to_numpy(dtype=np.float64, na_value=math.nan)
        for metric, rows in frame.groupby("metric", sort=False)
    }
    nothing = np.full(len(units), math.nan)
    base = {"family": family, "against": against}
    rows = []
    for metric, values in by_metric.items():
        if metric == against:
            continue
        other = by_metric.get(against, nothing)
        for method in METHODS:
            # A family that was measured too rarely has nothing to correlate; the others of the frame have.
            found = correlation(method, values, other) if len(units) >= FEWEST else _undefined(len(units))
            rows.append(base | {"metric": metric, "method": method} | vars(found))
    return rows


def _undefined(count: int) -> Correlation:
    return Correlation(math.nan, math.nan, math.nan, math.nan, count, False)


def _too_few(count: int) -> str:
    return (
        f"{count} network{'' if count == 1 else 's'}; a correlation needs {FEWEST} or more: train with more seeds"
    )
