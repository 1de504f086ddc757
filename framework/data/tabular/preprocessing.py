"""`preprocess`: a table is split once, and written where runs find it by name.

The test split is the one that `load_table` draws with the same share and seed. Equal tables, options and versions
give equal bytes.
"""

import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import tomli_w

from framework.data.places import data_folder
from framework.data.tabular.checks import refused, task_of
from framework.data.tabular.config import SHIPPED, TableConfig
from framework.data.tabular.loading import encoded
from framework.data.tabular.sources import Table, read_table
from framework.data.tabular.splits import TEST as TEST_STREAM
from framework.data.tabular.splits import Positions, draw
from framework.data.tabular.written import FOLDER, FORMAT, INFO, SPLIT, TEST, TRAIN, WHOLE, digest_of
from framework.errors import InvalidInput, Problem
from framework.values import is_number

PACKAGES = ("numpy", "pandas", "pyarrow", "scikit-learn")
DIGITS = 12
NAMES = (TRAIN, TEST, WHOLE, INFO)


@dataclass(frozen=True)
class Preprocessed:
    """Where a table was written, how many rows each split has, and whether it had been there as it is."""

    folder: Path
    rows: Mapping[str, int]
    was_there: bool


def preprocess(
    data: str,
    *,
    target: str | None = None,
    split: float = 0.8,
    separate_sets: bool = False,
    stratify: bool | None = None,
    leave_out: Sequence[str] = (),
    seed: int = 0,
    to: Path | None = None,
    name: str | None = None,
    force: bool = False,
) -> Preprocessed:
    """Split a table into train and test, and write both with `info.toml` (`written.py`).

    Args:
        data: A table that scikit-learn ships, or the path of a CSV or parquet file.
        target: The column that is predicted; None takes the one that the table brings, which a file has not.
        split: Share of the rows that goes to train, in (0, 1).
        separate_sets: Two files, train and test, instead of one with the column `split`.
        stratify: Whether classes are drawn in equal shares; None does so where the target is a class.
        leave_out: Columns that are not written.
        seed: Of the draw.
        to: The data folder; None takes `SASHIKO_DATA`, or `data`.
        name: Of the data set; None takes that of the file, or of a table that ships, with `-split` behind.
        force: Write over another table of the name.

    Raises:
        DataUnavailable: there is no such table.
        InvalidInput: with everything that is wrong with the table or the options; or something else lies there.
    """
    given = {"name": data, "target": target, "stratify": stratify is not False, "leave_out": tuple(leave_out)}
    config = TableConfig.typed(given)
    own = name or (f"{data}-split" if data in SHIPPED else Path(data).stem)
    problems = [*_refused_options(config, split, own), *config.conflicts()]
    if problems:
        raise InvalidInput(problems, "preprocess")
    table = read_table(config)
    problems = [*refused(table, config), *_refused_splits(table, config, separate_sets, stratify)]
    if problems or table.target is None:
        raise InvalidInput(problems, f"table {data}")
    table = replace(table, frame=table.frame.drop(columns=list(config.leave_out)))
    of_target = table.frame[table.target]
    task = task_of(of_target, config)
    labels, classes = encoded(of_target) if task == "classification" else (None, ())
    labels = labels if config.stratify else None
    # Rounded, so that 0.8 leaves the 0.2 that a config would say.
    train, test = draw(labels, len(table.frame), round(1 - split, DIGITS), seed, TEST_STREAM, left=2)
    rows = {"train": len(train), "test": len(test)}
    about = {
        "format": FORMAT,
        "name": own,
        "command": _command(config, split, separate_sets, stratify, seed, name),
        "source": {"name": data, "sha256": table.digest},
        "split": split,
        "seed": seed,
        "stratified": labels is not None,
        "rows": rows,
        "task": task,
        "target": table.target,
        "classes": list(classes),
        "columns": {str(column): str(kind) for column, kind in table.frame.dtypes.items()},
        "versions": {package: metadata.version(package) for package in PACKAGES},
    }
    folder = (data_folder() if to is None else to) / FOLDER / own
    was_there = _write(folder, _frames(table.frame, train, test, separate_sets), about, force=force)
    return Preprocessed(folder, rows, was_there)


def _refused_options(config: TableConfig, split: float, name: str) -> Iterator[Problem]:
    if config.name not in SHIPPED and not config.is_file:
        allowed = f"{', '.join(SHIPPED)}, or the path of a file that ends in .csv or .parquet"
        yield Problem("--data", f"is {config.name}; allowed: {allowed}")
    if not (is_number(split) and 0 < split < 1):
        yield Problem("--split", f"is {split!r}; allowed: the share of train, a number between 0 and 1")
    if name in SHIPPED:
        yield Problem("--name", f"is {name}, which ships with scikit-learn and would be read in its place")
    elif not name.replace("-", "").replace("_", "").isalnum():
        yield Problem("--name", f"is {name!r}; allowed: letters, digits, - and _")


def _refused_splits(table: Table, config: TableConfig, separate: bool, stratify: bool | None) -> Iterator[Problem]:
    if stratify and table.target in table.frame and task_of(table.frame[table.target], config) == "regression":
        yield Problem("--stratify", f"goes by class, and the target {table.target} is a number; leave it out")
    if not separate and SPLIT in table.frame:
        told = "is a column, and the one file has one of that name; rename it, or use --separate-sets"
        yield Problem(SPLIT, told)


def _command(
    config: TableConfig, split: float, separate: bool, stratify: bool | None, seed: int, name: str | None
) -> str:
    """The command that writes the same."""
    words = ["sashiko preprocess tabular --data", shlex.quote(config.name)]
    words += ["--target", shlex.quote(config.target)] if config.target else []
    words += [f"--split {split}", *(["--separate-sets"] if separate else [])]
    words += [] if stratify is None else ["--stratify" if stratify else "--no-stratify"]
    words += [f"--leave-out {shlex.quote(column)}" for column in config.leave_out]
    words += [f"--seed {seed}", *([f"--name {name}"] if name else [])]
    return " ".join(words)


def _frames(frame: pd.DataFrame, train: Positions, test: Positions, separate: bool) -> dict[str, pd.DataFrame]:
    """The frames by the names of their files."""
    parts = {"train": frame.iloc[train], "test": frame.iloc[test]}
    if separate:
        return {TRAIN: parts["train"], TEST: parts["test"]}
    names = pd.Series([name for name, part in parts.items() for _ in range(len(part))], name=SPLIT)
    whole = pd.concat(parts.values())
    return {WHOLE: pd.concat([whole, names.set_axis(whole.index)], axis=1)}


def _write(folder: Path, frames: Mapping[str, pd.DataFrame], about: Mapping[str, Any], *, force: bool) -> bool:
    """Write the files aside and move them into place; whether the very same lay there.

    Raises:
        InvalidInput: something else lies there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as text:
        aside = Path(text)
        for name, frame in frames.items():
            frame.to_parquet(aside / name, index=False)
        files = {name: digest_of(aside / name) for name in frames}
        (aside / INFO).write_text(tomli_w.dumps({**about, "files": files}), encoding="utf-8")
        there = {name for name in NAMES if (folder / name).exists()}
        new = [*frames, INFO]  # the info comes last: with it, all is there
        if there == set(new) and all(digest_of(folder / name) == digest_of(aside / name) for name in new):
            return True
        if there and not force:
            told = f"has another {', '.join(sorted(there))}; give another --name, or write over it with --force"
            raise InvalidInput([Problem("", told)], str(folder))
        folder.mkdir(exist_ok=True)
        for name in there:
            (folder / name).unlink()
        for name in new:
            shutil.move(aside / name, folder / name)
    return False
