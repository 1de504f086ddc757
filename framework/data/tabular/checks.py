"""What is wrong with a table, all of it at once, in the words of whoever made it.

Shapes: N rows.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from pandas.api import types

from framework.data.tabular.config import MOST_CLASSES, TableConfig, Task
from framework.data.tabular.sources import Table
from framework.errors import Problem
from framework.fields import nearest

LEAST = 3
"""Rows of a class, one for each split; rows of a table."""
SHOWN = 10
LARGEST = 1e100
"""Squares of larger numbers, and sums of them, leave double precision."""


def refused(table: Table, config: TableConfig) -> list[Problem]:
    """Every problem of a table, by column or field of the config; empty where it can be used."""
    return [*_of_names(table, config), *_of_features(table, config), *_of_target(table, config)]


def task_of(target: pd.Series, config: TableConfig) -> Task:
    """Whether a target is a class or a number, as the config says or by its type."""
    if config.task != "auto":
        return config.task
    if types.is_bool_dtype(target) or not types.is_numeric_dtype(target):
        return "classification"
    whole = types.is_integer_dtype(target) and target.nunique() <= MOST_CLASSES
    return "classification" if whole else "regression"


def is_number_column(column: pd.Series) -> bool:
    """Whether a feature is a number; true and false are 1 and 0."""
    return bool(types.is_numeric_dtype(column) and not types.is_complex_dtype(column))


def feature_names(table: Table, config: TableConfig) -> list[str]:
    """The columns that are features, in their order."""
    return [str(name) for name in table.frame if name != table.target and name not in config.leave_out]


def _of_names(table: Table, config: TableConfig) -> Iterator[Problem]:
    names = [str(name) for name in table.frame]
    if table.target is None:
        yield Problem("target", f"is null, and the table does not say; allowed: {_some(names)}")
    elif table.target not in names:
        yield Problem("target", f"is {table.target}, which is no column; {nearest(table.target, names)}")
    for name in config.leave_out:
        if name not in names:
            yield Problem("leave_out", f"names {name}, which is no column; {nearest(name, names)}")
    if not feature_names(table, config):
        yield Problem("", f"has no column beside the target and what is left out; its columns: {_some(names)}")
    if len(table.frame) < LEAST:
        yield Problem("", f"has {len(table.frame)} rows; allowed: {LEAST} or more, one for each split")


def _of_features(table: Table, config: TableConfig) -> Iterator[Problem]:
    if table.frame.empty:
        return
    advice = "leave it out (data.leave_out, or --leave-out)"
    for name in feature_names(table, config):
        column = table.frame[name]
        if not is_number_column(column) and not _is_text(column):
            yield Problem(name, f"is of type {column.dtype}; allowed: numbers, true and false, text; or {advice}")
            continue
        if column.nunique(dropna=is_number_column(column)) < 2:  # a missing number becomes the median
            values = column.dropna()
            told = "is missing" if values.empty else f"is {values.iloc[0]}"
            told += " or missing" if 0 < len(values) < len(column) else ""
            yield Problem(name, f"{told} in every row and tells nothing; {advice}")
        elif (beyond := _beyond(column)) > 0:
            yield Problem(name, f"is infinite or beyond ±{LARGEST:g} in {beyond} rows; mend them, or {advice}")


def _of_target(table: Table, config: TableConfig) -> Iterator[Problem]:
    if table.target is None or table.target not in table.frame or table.frame.empty:
        return
    target = table.frame[table.target]
    key = f"target {table.target}"
    if target.isna().any():
        yield Problem(key, f"is missing in {int(target.isna().sum())} rows; drop these rows, or fill them in")
    known = target.dropna()
    if task_of(target, config) == "regression":
        yield from _of_numbers(key, known)
    else:
        yield from _of_classes(key, known)


def _of_numbers(key: str, known: pd.Series) -> Iterator[Problem]:
    if not is_number_column(known):
        values = _some([repr(value) for value in known.unique()])
        yield Problem(key, f"is no number, which task=regression needs, but {known.dtype}: {values}")
    elif known.nunique() < 2:
        yield Problem(key, "is the same in every row: there is nothing to predict")
    elif (beyond := _beyond(known)) > 0:
        yield Problem(key, f"is infinite or beyond ±{LARGEST:g} in {beyond} rows; mend them, or drop these rows")


def _of_classes(key: str, known: pd.Series) -> Iterator[Problem]:
    counts = known.value_counts(sort=False)
    if not (is_number_column(known) or _is_text(known)):
        yield Problem(key, f"is of type {known.dtype}; allowed: numbers, true and false, text")
    elif len(counts) < 2:
        yield Problem(key, "is the same in every row: there is nothing to predict")
    rare = {str(value): int(count) for value, count in counts.items() if count < LEAST}
    if rare:
        told = _some([f"{value} ({count})" for value, count in rare.items()])
        message = f"has classes with fewer than {LEAST} rows, one for each split: {told}"
        yield Problem(key, f"{message}; drop these rows, join the classes, or set task=regression")


def _is_text(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return True
    if column.dtype == object:
        return all(isinstance(value, str | bool) for value in column.dropna())
    return bool(types.is_string_dtype(column))


def _beyond(column: pd.Series) -> int:
    if not types.is_float_dtype(column):
        return 0
    return int((np.abs(column.to_numpy(dtype=float, na_value=np.nan)) > LARGEST).sum())


def _some(words: list[str]) -> str:
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more
