"""Folders of images: which files there are, of which class, in which split. Knows no tensor and opens no image.

    FOLDER/CLASS/IMAGE            no split: val and test are drawn
    FOLDER/train/CLASS/IMAGE      and beside train, where they are split already, val and test of the same form

Classes are numbered by name, and images by class and name.
"""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from framework.data.places import data_folder
from framework.errors import DataUnavailable

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm"))
FORMS = "CLASS/IMAGE, or train/CLASS/IMAGE with val and test beside train"


class Files(NamedTuple):
    """Paths of images, and the label of each."""

    paths: tuple[Path, ...]
    labels: tuple[int, ...]


class Listing(NamedTuple):
    """The classes, and the files of each part: of `train`, and of `val` and `test` where they lie apart."""

    classes: tuple[str, ...]
    parts: dict[str, Files]


def folder_of(given: str) -> Path:
    """The folder that is meant: a relative path starts in the data folder."""
    return data_folder() / Path(given).expanduser()


@lru_cache(maxsize=16)
def listing(root: Path) -> Listing:
    """What lies in a folder of images; looked up once per process.

    Raises:
        DataUnavailable: it is not there, has no images, or its parts have other classes than train.
    """
    if not root.is_dir():
        raise DataUnavailable(
            f"no folder of images at {root}: set data.folder, or SASHIKO_DATA where it is relative"
        )
    train = root / "train" if (root / "train").is_dir() else root
    classes = tuple(
        sorted(path.name for path in train.iterdir() if path.is_dir() and not path.name.startswith("."))
    )
    if not classes:
        raise DataUnavailable(f"{train} has no folder of a class; expected in {root}: {FORMS}")
    parts = {"train": _files(train, classes)}
    if train is not root:
        parts |= {name: _files(root / name, classes) for name in ("val", "test") if (root / name).is_dir()}
    return Listing(classes, parts)


def _files(part: Path, classes: tuple[str, ...]) -> Files:
    there = {path.name for path in part.iterdir() if path.is_dir() and not path.name.startswith(".")}
    if there != set(classes):
        told = ", ".join(sorted(there ^ set(classes)))
        raise DataUnavailable(f"{part} has other classes than train beside it; only one of the two has: {told}")
    paths, labels = [], []
    for label, name in enumerate(classes):
        found = sorted(path for path in (part / name).iterdir() if path.suffix.lower() in SUFFIXES)
        if not found:
            suffixes = ", ".join(sorted(SUFFIXES))
            raise DataUnavailable(f"{part / name} has no image; files that are read end in {suffixes}")
        paths += found
        labels += [label] * len(found)
    return Files(tuple(paths), tuple(labels))
