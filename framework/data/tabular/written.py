"""Tables as `preprocess` writes them, and reading them back: frames as parquet, and what they are as TOML.

    datasets/NAME/train.parquet, test.parquet     with --separate-sets
    datasets/NAME/data.parquet                    else, with the column `split`, train or test
    datasets/NAME/info.toml                       source, its digest, split, seed, target, columns, versions

The folder `datasets` lies in the data folder (`SASHIKO_DATA`, or `data`).

Shapes: N rows.
"""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from framework.data.places import data_folder
from framework.data.tabular.config import SHIPPED, SUFFIXES
from framework.errors import DataUnavailable, InvalidInput, Problem
from framework.fields import nearest

FOLDER, INFO, FORMAT = "datasets", "info.toml", 1
TRAIN, TEST, WHOLE = "train.parquet", "test.parquet", "data.parquet"
SPLIT = "split"
"""The column that tells the split where both lie in one file."""


@dataclass(frozen=True)
class Written:
    """A written table: train above test, `is_test` (N,), the target, and the digest of its info."""

    frame: pd.DataFrame
    is_test: npt.NDArray[np.bool_]
    target: str
    digest: str


def find(name: str) -> Path:
    """The folder of the written table of a name.

    Raises:
        DataUnavailable: there is none; the message tells which there are.
    """
    place = data_folder() / FOLDER
    if (place / name / INFO).is_file():
        return place / name
    there = sorted(path.parent.name for path in place.glob(f"*/{INFO}"))
    known = [*SHIPPED, *there]
    advice = f"or the path of a file that ends in {' or '.join(SUFFIXES)}"
    raise DataUnavailable(f"there is no table {name} in {place}; {nearest(name, known)}; {advice}")


def read(folder: Path) -> Written:
    """A written table, once every file is seen to be what the info says.

    Raises:
        DataUnavailable: a file is missing.
        InvalidInput: a file was changed since, or the info cannot be read.
    """
    text = (folder / INFO).read_bytes()
    info = _info(folder, text)
    problems = []
    for name, digest in info["files"].items():
        if not (folder / name).is_file():
            raise DataUnavailable(f"{folder} lacks {name}: write it again with: {info['command']}")
        if digest_of(folder / name) != digest:
            told = f"is not what {INFO} says (sha256 {digest[:12]}…): it was changed since"
            problems.append(Problem(name, f"{told}; write it again with: {info['command']} --force"))
    if problems:
        raise InvalidInput(problems, str(folder))
    if WHOLE in info["files"]:
        frame = pd.read_parquet(folder / WHOLE)
        is_test = (frame.pop(SPLIT) == "test").to_numpy(dtype=bool)
    else:
        frames = [pd.read_parquet(folder / name) for name in (TRAIN, TEST)]
        frame = pd.concat(frames, ignore_index=True)
        is_test = np.arange(len(frame)) >= len(frames[0])
    return Written(frame, is_test, str(info["target"]), hashlib.sha256(text).hexdigest())


def _info(folder: Path, text: bytes) -> dict[str, Any]:
    try:
        info = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput([Problem(INFO, f"cannot be read: {error}")], str(folder)) from error
    if info.get("format") != FORMAT:
        told = f"is {info.get('format')!r}; allowed: {FORMAT}, which this version writes"
        raise InvalidInput([Problem("format", told)], str(folder / INFO))
    missing = [name for name in ("target", "files", "command") if name not in info]
    if missing:
        raise InvalidInput([Problem(name, "is missing") for name in missing], str(folder / INFO))
    return info


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
