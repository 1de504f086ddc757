"""A table as arrays in three disjoint splits.

Shapes: N rows, F features, K classes.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from framework.data.tabular.checks import feature_names, refused, task_of
from framework.data.tabular.config import TableConfig, Task
from framework.data.tabular.features import Array, Features
from framework.data.tabular.sources import Table, read_table
from framework.data.tabular.splits import TEST, VAL, Positions, draw
from framework.errors import InvalidInput, Problem

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Part:
    """One split: features `x` (N, F), targets `y` (N,), and `rows` (N,), their positions in the table.

    `y` is the number of a class, int64, or a number in the target's own unit, float64.
    """

    x: Array
    y: npt.NDArray[np.int64] | Array
    rows: Positions

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class TableData:
    """A table in three splits. `classes` are the names of the K classes in order; none where y is a number."""

    name: str
    task: Task
    target: str
    features: tuple[str, ...]
    classes: tuple[str, ...]
    digest: str
    train: Part
    val: Part
    test: Part

    @property
    def parts(self) -> dict[str, Part]:
        """The splits by name."""
        return {"train": self.train, "val": self.val, "test": self.test}


def load_table(config: TableConfig, seed: int) -> TableData:
    """The table of a config in three splits, drawn with `seed`; features are fitted on train alone (`features`).

    Raises:
        DataUnavailable: there is no such table.
        InvalidInput: with everything that is wrong with it.
    """
    table = read_table(config)
    problems = refused(table, config)
    if problems or table.target is None:
        raise InvalidInput(problems, f"table {config.name}")
    target = table.frame[table.target]
    task = task_of(target, config)
    y_N, classes = encoded(target) if task == "classification" else (target.to_numpy(dtype=np.float64), ())
    places = positions(table, config, y_N if task == "classification" else None, seed)
    frame = table.frame[feature_names(table, config)]
    features = Features(frame.iloc[places["train"]])
    parts = {name: Part(features(frame.iloc[at]), y_N[at], at) for name, at in places.items()}
    return TableData(config.name, task, table.target, features.names, classes, table.digest, **parts)


def check_table(config: TableConfig) -> None:
    """Let pass a table that can be used. One that was found so is not read again until it changes.

    Raises:
        DataUnavailable: there is no such table.
        InvalidInput: with everything that is wrong with it.
    """
    if not config.is_known:
        path = Path(config.name) if config.is_file else None
        found = path.stat() if path is not None and path.is_file() else None
        _check(config, (found.st_mtime_ns, found.st_size) if found else None)


@lru_cache(maxsize=64)
def _check(config: TableConfig, stamp: tuple[int, int] | None) -> None:
    load_table(config, 0)


def positions(table: Table, config: TableConfig, labels_N: Positions | None, seed: int) -> dict[str, Positions]:
    """Sorted positions of each split; `labels_N` are the classes, None where there are none.

    Raises:
        InvalidInput: a split has no row.
    """
    number = len(table.frame)
    labels = labels_N if config.stratify else None
    if table.is_test is None:
        rest, test = draw(labels, number, config.test_fraction, seed, TEST, left=2)
    else:
        rest, test = np.flatnonzero(~table.is_test), np.flatnonzero(table.is_test)
    train, val = draw(None if labels is None else labels[rest], len(rest), config.val_fraction, seed, VAL)
    found = {"train": rest[train], "val": rest[val], "test": test}
    empty = [name for name, at in found.items() if not len(at)]
    if empty:
        raise InvalidInput([Problem("", f"leaves {', '.join(empty)} without a row")], f"table {config.name}")
    return found


def encoded(target: pd.Series) -> tuple[Positions, tuple[str, ...]]:
    """The number of each row's class, (N,), and the names of the K classes in ascending order."""
    values = target.astype(object).to_numpy()
    known = sorted({type(value)(value) for value in values}, key=lambda value: (isinstance(value, str), value))
    numbers = {value: number for number, value in enumerate(known)}
    return np.array([numbers[value] for value in values], dtype=np.int64), tuple(map(str, known))
