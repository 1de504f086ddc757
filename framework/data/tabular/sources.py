"""Tables as they are read: from scikit-learn, from a file, or from what `preprocess` has written.

Shapes: N rows.
"""

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from sklearn import datasets  # type: ignore[import-untyped]

from framework import inputs
from framework.data.tabular.config import SHIPPED, TableConfig
from framework.data.tabular.written import find, read
from framework.errors import DataUnavailable, InvalidInput, Problem

TARGET = "target"
NEWLINE = "\n"


@dataclass(frozen=True)
class Table:
    """A table before it is split: its rows in order, the target column, and a digest of what was read.

    `is_test` (N,) tells the rows of the test split that the table brings; None where it brings none. `target` is
    None where neither the table nor anybody else says which it is.
    """

    frame: pd.DataFrame
    target: str | None
    digest: str
    is_test: npt.NDArray[np.bool_] | None = None


def read_table(config: TableConfig) -> Table:
    """The table of a config, with its target.

    Raises:
        DataUnavailable: there is none of that name, or no such file.
        InvalidInput: a file that cannot be read, or a written table that was changed since.
    """
    if config.name in SHIPPED:
        found = shipped(config.name)
    elif config.is_file:
        found = from_file(Path(config.name))
    else:
        written = read(find(config.name))
        found = Table(written.frame, written.target, written.digest, written.is_test)
    inputs.note_digest(config.name, found.digest)
    target = found.target if config.target is None else config.target
    return Table(found.frame, target, found.digest, found.is_test)


@lru_cache(maxsize=len(SHIPPED))
def shipped(name: str) -> Table:
    """One of scikit-learn's tables, with the names of its classes in the column `target`.

    Of digits the pixels that are the same in every image are left out (3 of 64).
    """
    loaded: Any = getattr(datasets, f"load_{name}")(as_frame=True)
    frame: pd.DataFrame = loaded.frame.copy()
    names = loaded.get("target_names")
    if names is not None and name != "digits":
        frame[TARGET] = np.asarray(names, dtype=object)[frame[TARGET].to_numpy()]
    frame = frame.loc[:, frame.nunique() > 1]
    return Table(frame, TARGET, hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest())


def from_file(path: Path) -> Table:
    """The table in a CSV file (with a line of names, in UTF-8) or a parquet file; it has no target yet.

    Raises:
        DataUnavailable: there is no such file.
        InvalidInput: it cannot be read, or two of its columns have one name.
    """
    if not path.is_file():
        raise DataUnavailable(f"there is no table {path.absolute()}")
    try:
        if path.suffix.lower() == ".csv":
            twice = _twice(path)
            frame = pd.read_csv(path)
        else:
            twice, frame = [], pd.read_parquet(path)
    except (ValueError, OSError, csv.Error, pa.ArrowException) as error:  # pandas' own errors are ValueErrors
        told = f"cannot be read as {path.suffix[1:]}: {type(error).__name__}: {str(error).partition(NEWLINE)[0]}"
        raise InvalidInput([Problem("", told)], str(path)) from error
    if twice:
        raise InvalidInput([Problem(name, "is the name of several columns") for name in twice], str(path))
    frame.columns = [str(name) for name in frame.columns]
    return Table(frame.reset_index(drop=True), None, hashlib.sha256(path.read_bytes()).hexdigest())


def _twice(path: Path) -> list[str]:
    """Names that stand twice in the first line; pandas would make others of them."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        names = next(csv.reader(lines), [])
    return [name for name, count in Counter(names).items() if count > 1]
