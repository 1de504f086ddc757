"""Reading the images of each data set as they are kept: bytes (digits: intensities), official split by split.

Large files are mapped into memory and read where they are indexed. Shapes: N images, C channels, H = W pixels.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from framework.data.config import DataConfig
from framework.data.folders import Files, Listing, folder_of, listing
from framework.data.places import IMAGENETTE_SIZE, STL10, TORCHVISION, imagenette_folder
from framework.errors import DataUnavailable

STL10_SHAPE = (3, 96, 96)
THREADS = 8

Pixels = npt.NDArray[Any]  # uint8 (N, C, H, W); of digits float32 in [0, 1]
Labels = npt.NDArray[np.int64]


class Raw(NamedTuple):
    """The parts of a data set: images (N, C, H, W) and labels (N,) of each; of `unlabeled`, images alone."""

    train: tuple[Pixels, Labels]
    val: tuple[Pixels, Labels] | None = None
    test: tuple[Pixels, Labels] | None = None
    unlabeled: Pixels | None = None


def read(config: DataConfig, folder: Path, *, download: bool) -> Raw:
    """The data set of a config at the size that it says; what it has no part for is drawn by who asks.

    Raises:
        DataUnavailable: it is not in the folder, is broken, or may not be, or cannot be, downloaded.
    """
    if config.name == "digits":
        return _resized(Raw(_digits()), config.image_size)
    if config.name in TORCHVISION:
        parts = [_torchvision(config.name, folder, train=train, download=download) for train in (True, False)]
        return _resized(Raw(parts[0], test=parts[1]), config.image_size)
    if config.name == "stl10":
        return _resized(_stl10(folder, download=download), config.image_size)
    if config.name == "imagenette":
        return _imagenette(folder, config.image_size or IMAGENETTE_SIZE, download=download)
    found = listing(folder_of(config.folder or ""))
    parts_there = {name: decode(files, config.image_size or 1) for name, files in found.parts.items()}
    return Raw(parts_there["train"], parts_there.get("val"), parts_there.get("test"))


def _digits() -> tuple[Pixels, Labels]:
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    digits = load_digits()
    images = (digits.images[:, None] / 16.0).astype(np.float32)
    return images, digits.target.astype(np.int64)


def _torchvision(name: str, folder: Path, *, train: bool, download: bool) -> tuple[Pixels, Labels]:
    from torchvision import datasets  # type: ignore[import-untyped]

    kind, witness = TORCHVISION[name]
    build = getattr(datasets, kind)
    try:
        official = build(str(folder), train=train, download=False)
    except (RuntimeError, OSError) as error:
        if not download:
            raise DataUnavailable(f"{_not_there(name, folder, witness)} ({error})") from error
        official = _downloaded(lambda: build(str(folder), train=train, download=True), name, folder)
    pixels = np.asarray(official.data)
    pixels_NCHW = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    return pixels_NCHW, np.asarray(official.targets, dtype=np.int64)


def _stl10(folder: Path, *, download: bool) -> Raw:
    from torchvision import datasets

    root, witness = folder / STL10, f"{STL10}/train_X.bin"
    if not (folder / witness).is_file():
        if not download:
            raise DataUnavailable(_not_there("stl10", folder, witness))
        _downloaded(lambda: datasets.STL10(str(folder), split="train", download=True), "stl10", folder)
    unlabeled = root / "unlabeled_X.bin"
    return Raw(
        (_mapped(root / "train_X.bin"), _stl10_labels(root, "train")),
        test=(_mapped(root / "test_X.bin"), _stl10_labels(root, "test")),
        unlabeled=_mapped(unlabeled) if unlabeled.is_file() else None,
    )


def _mapped(path: Path) -> Pixels:
    """Images (N, 3, 96, 96) of STL10, which keeps them column by column."""
    size = path.stat().st_size if path.is_file() else 0
    count, rest = divmod(size, int(np.prod(STL10_SHAPE)))
    if rest or not count:
        raise DataUnavailable(f"{path} is missing or cut off: it has {size} bytes, and an image has 27,648")
    # Written on in memory only, so that torch takes it; the file is never changed.
    return np.memmap(path, np.uint8, "c", shape=(count, *STL10_SHAPE)).transpose(0, 1, 3, 2)


def _stl10_labels(root: Path, part: str) -> Labels:
    path = root / f"{part}_y.bin"
    labels = np.fromfile(path, np.uint8).astype(np.int64) - 1 if path.is_file() else np.empty(0, np.int64)
    images = len(_mapped(root / f"{part}_X.bin"))
    if len(labels) != images:
        raise DataUnavailable(f"{path} is missing or cut off: it has {len(labels)} labels for {images} images")
    return labels


def _imagenette(folder: Path, size: int, *, download: bool) -> Raw:
    """Its train images, and its `val` as the test split, which is what it is published as a yardstick for."""
    from torchvision import datasets

    name = imagenette_folder(size)
    if not (folder / name).is_dir():
        if not download:
            raise DataUnavailable(_not_there("imagenette", folder, f"{name}/train"))
        edition = {"imagenette2-160": "160px", "imagenette2-320": "320px"}.get(name, "full")
        _downloaded(
            lambda: datasets.Imagenette(str(folder), split="train", size=edition, download=True),
            "imagenette",
            folder,
        )
    found: Listing = listing(folder / name)
    if "val" not in found.parts:
        raise DataUnavailable(f"{folder / name} has no val beside train; unpack the whole archive there")
    return Raw(decode(found.parts["train"], size), test=decode(found.parts["val"], size))


def decode(files: Files, size: int) -> tuple[Pixels, Labels]:
    """Images (N, 3, size, size) of files, and their labels: read as RGB, resized by the shorter side, cut out.

    Raises:
        DataUnavailable: a file is no image, or broken.
    """
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        pixels = list(pool.map(lambda path: _decoded(path, size), files.paths))
    return np.stack(pixels), np.asarray(files.labels, dtype=np.int64)


def _decoded(path: Path, size: int) -> Pixels:
    from PIL import Image
    from torchvision.transforms.v2 import functional  # type: ignore[import-untyped]

    try:
        with Image.open(path) as opened:
            image = functional.center_crop(functional.resize(opened.convert("RGB"), [size]), [size, size])
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for files that are none of its own
        raise DataUnavailable(f"{path} cannot be read as an image: {error}") from error
    return np.asarray(image).transpose(2, 0, 1)


def _resized(raw: Raw, size: int | None) -> Raw:
    if size is None or raw.train[0].shape[2:] == (size, size):
        return raw
    train, val, test = (part and (resize(part[0], size), part[1]) for part in raw[:3])
    return Raw(train or raw.train, val, test, None if raw.unlabeled is None else resize(raw.unlabeled, size))


def resize(pixels_NCHW: Pixels, size: int, at_once: int = 1024) -> Pixels:
    """Square images at another size, bilinear with antialias, some at once."""
    from torchvision.transforms.v2 import functional

    parts: Sequence[Any] = [
        functional.resize(torch.from_numpy(np.ascontiguousarray(pixels_NCHW[i : i + at_once])), [size, size])
        for i in range(0, len(pixels_NCHW), at_once)
    ]
    return np.concatenate([part.numpy() for part in parts])


def _not_there(name: str, folder: Path, witness: str) -> str:
    return (
        f"{name} is not in {folder}: expected {folder / witness} beside its other files. Set SASHIKO_DATA to the "
        "folder that holds it, or allow the download with data.download=true or SASHIKO_DOWNLOAD=1."
    )


def _downloaded(build: Callable[[], Any], name: str, folder: Path) -> Any:
    try:
        return build()
    except (RuntimeError, OSError) as error:  # URLError is an OSError
        raise DataUnavailable(
            f"{name} is not in {folder} and could not be downloaded into it: {error}. Without a network, copy "
            "the files there from another machine, or use data.name=digits, which needs none."
        ) from error
