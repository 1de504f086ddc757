"""Means, standard deviations and counts over replicates, for any tidy frame."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

# Beyond these, numbers are written with an exponent.
SMALL, LARGE = 1e-4, 1e6


def aggregate(frame: pd.DataFrame, by: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """A row for each combination of the factors `by` that occurs, in the order of their values.

    Args:
        frame: Tidy rows; what `by` does not name is averaged over.
        by: Columns to keep apart. Missing values are a value of their own.
        metrics: Numeric columns to reduce.

    Returns:
        The columns `by`, then `<metric>_mean` and `<metric>_std` for each metric (sample standard deviation,
        divisor n - 1: undefined, NaN, for n = 1), then `n`, the number of rows.

    Raises:
        KeyError: a column that `frame` lacks.
    """
    if not by:
        return aggregate(frame.assign(_all=0), ["_all"], metrics).drop(columns="_all")
    groups = frame.groupby(list(by), dropna=False, sort=True, observed=True)
    columns = {}
    for metric in metrics:
        columns[f"{metric}_mean"] = groups[metric].mean()
        columns[f"{metric}_std"] = groups[metric].std(ddof=1)
    columns["n"] = groups.size()
    return pd.DataFrame(columns).reset_index()


def varying(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Those of `columns` that take more than one value in `frame`."""
    return [column for column in columns if frame[column].nunique(dropna=False) > 1]


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """`table` as text: each `x_mean`, `x_std` becomes one column `x`, `mean ± std`, or `mean` where n = 1."""
    columns: dict[str, list[str]] = {}
    for name in table.columns:
        stem = name.removesuffix("_std")
        if name.endswith("_mean") and f"{name.removesuffix('_mean')}_std" in table:
            stem = name.removesuffix("_mean")
            pairs = zip(table[name], table[f"{stem}_std"], strict=True)
            columns[stem] = [number(m) if np.isnan(s) else f"{number(m)} ± {number(s, 2)}" for m, s in pairs]
        elif not (name.endswith("_std") and f"{stem}_mean" in table):
            columns[name] = [number(value) for value in table[name]]
    return pd.DataFrame(columns)


def number(value: object, digits: int = 4) -> str:
    """A number to so many significant digits; others as they are."""
    if not isinstance(value, float | np.floating):
        return str(value)
    number = float(value)
    if not SMALL <= abs(number) < LARGE:
        return f"{number:.{digits}g}"
    return np.format_float_positional(number, precision=digits, fractional=False, trim="-")
