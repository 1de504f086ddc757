"""Image sets as tensors in memory, in three disjoint splits.

    digits         scikit-learn's load_digits: 1,797 images of 1x8x8, intensities 0..16; ships with the package
    mnist          torchvision's layout, `MNIST/raw`: 60,000 + 10,000 images of 1x28x28
    fashion_mnist  torchvision's layout, `FashionMNIST/raw`: 60,000 + 10,000 of 1x28x28
    cifar10        torchvision's layout, `cifar-10-batches-py`: 50,000 + 10,000 of 3x32x32
    cifar100       torchvision's layout, `cifar-100-python`: 50,000 + 10,000 of 3x32x32

The folder is `SASHIKO_DATA`, or `data` in the working directory. This module knows no model.

Shapes: N images, C channels, H = W pixels a side.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
from torch import Tensor

from framework.data.config import DataConfig
from framework.data.places import TORCHVISION, data_folder
from framework.errors import ConfigError, DataUnavailable, Problem
from framework.seeds import unsigned

if TYPE_CHECKING:
    import numpy.typing as npt

# Mean and standard deviation of each channel over the official train split, in pixel intensity on [0, 1].
# CIFAR-10's deviations are the customary ones, which are means over images of the deviation within an image;
# over all pixels they are (.2470, .2435, .2616).
STATISTICS = {
    "mnist": ((0.1307,), (0.3081,)),
    "fashion_mnist": ((0.2860,), (0.3530,)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar100": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
}

_Arrays = tuple["npt.NDArray[np.float32]", "npt.NDArray[np.int64]"]


@dataclass(frozen=True)
class ImageSet:
    """One split: images (N, C, H, W) float32, labels (N,) int64, indices (N,) int64.

    `indices` are positions in the official train or test split (digits: in the whole set).
    """

    images: Tensor
    labels: Tensor
    indices: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Splits:
    """Three disjoint splits, and what it takes to read their pixels.

    `mean` and `std` (C,) are in pixel intensity on [0, 1]. `pixel_scale` (C,) is the intensity on [0, 1] of one
    unit of the images: ones for normalise=unit, `std` for normalise=standard.
    """

    name: str
    train: ImageSet
    val: ImageSet
    test: ImageSet
    mean: Tensor
    std: Tensor
    normalise: str

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    @property
    def num_classes(self) -> int:
        """The number of classes; labels are 0 … num_classes - 1."""
        return int(self.train.labels.max()) + 1

    @property
    def pixel_scale(self) -> Tensor:
        """Pixel intensity on [0, 1] of one unit of the images, (C,)."""
        return self.std if self.normalise == "standard" else torch.ones_like(self.std)

    def unit(self, images_NCHW: Tensor) -> Tensor:
        """`images_NCHW` on the scale of the splits, as pixel intensity, clipped to [0, 1] for showing."""
        if self.normalise == "standard":
            images_NCHW = images_NCHW * self.std[:, None, None] + self.mean[:, None, None]
        return images_NCHW.clamp(0, 1)


def load_splits(config: DataConfig) -> Splits:
    """The three splits of `config`, decoded once per process: forked children share the memory.

    Raises:
        DataUnavailable: the set is not in the data folder and may not be, or cannot be, downloaded.
        ConfigError: a fraction leaves a split with fewer images than classes.
    """
    download = config.download or os.environ.get("SASHIKO_DOWNLOAD") == "1"
    return _load_splits(
        config.name,
        config.split_seed,
        config.val_fraction,
        config.test_fraction if config.name == "digits" else 0.0,
        config.normalise,
        data_folder(),
        download,
    )


@lru_cache(maxsize=4)
def _load_splits(
    name: str,
    seed: int,
    val_fraction: float,
    test_fraction: float,
    normalise: str,
    folder: Path,
    download: bool,
) -> Splits:
    if name == "digits":
        images, labels = _digits()
        rest, test_indices = _draw("data.test_fraction", test_fraction, np.arange(len(labels)), labels, seed)
        test_images, test_labels = images, labels
    else:
        images, labels = _torchvision(name, folder, train=True, download=download)
        test_images, test_labels = _torchvision(name, folder, train=False, download=download)
        rest, test_indices = np.arange(len(labels)), np.arange(len(test_labels))
    train_indices, val_indices = _draw("data.val_fraction", val_fraction, rest, labels, seed)

    if name in STATISTICS:
        mean, std = (torch.tensor(numbers) for numbers in STATISTICS[name])
    else:
        mean = torch.tensor([float(images[train_indices].mean(dtype=np.float64))])
        std = torch.tensor([float(images[train_indices].std(dtype=np.float64))])

    def split(pixels: Any, classes: Any, indices: Any) -> ImageSet:
        chosen = torch.from_numpy(pixels[indices])
        if normalise == "standard":
            chosen = (chosen - mean[:, None, None]) / std[:, None, None]
        return ImageSet(chosen, torch.from_numpy(classes[indices]), torch.from_numpy(indices))

    return Splits(
        name=name,
        train=split(images, labels, train_indices),
        val=split(images, labels, val_indices),
        test=split(test_images, test_labels, test_indices),
        mean=mean,
        std=std,
        normalise=normalise,
    )


def _draw(key: str, fraction: float, candidates: Any, labels: Any, seed: int) -> tuple[Any, Any]:
    """`candidates` (indices) in two sorted parts, the second a seeded stratified `fraction` of them."""
    try:
        rest, drawn = train_test_split(
            candidates, test_size=fraction, random_state=_state_of(seed), stratify=labels[candidates]
        )
    except ValueError as error:
        message = f"is {fraction}, which leaves a split with fewer images than classes ({error})"
        raise ConfigError([Problem(key, message)]) from error
    return np.sort(rest), np.sort(drawn)


def _state_of(seed: int) -> Any:
    """What scikit-learn draws with; of itself it takes seeds of 32 bits alone."""
    if 0 <= seed < 2**32:
        return seed
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence(unsigned(seed))))


def _digits() -> _Arrays:
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    digits = load_digits()
    images = (digits.images[:, None] / 16.0).astype(np.float32)
    return images, digits.target.astype(np.int64)


def _torchvision(name: str, folder: Path, *, train: bool, download: bool) -> _Arrays:
    from torchvision import datasets  # type: ignore[import-untyped]

    kind, witness = TORCHVISION[name]
    build = getattr(datasets, kind)
    try:
        official = build(str(folder), train=train, download=False)
    except (RuntimeError, OSError) as error:
        if not download:
            raise DataUnavailable(
                f"{name} is not in {folder}: expected {folder / witness} beside its other files. Set "
                "SASHIKO_DATA to the folder that holds it, or allow the download with data.download=true or "
                f"SASHIKO_DOWNLOAD=1. ({error})"
            ) from error
        official = _downloaded(build, name, folder, train)
    pixels = np.asarray(official.data)
    pixels_NCHW = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    images = np.ascontiguousarray(pixels_NCHW, dtype=np.float32) / np.float32(255)
    return images, np.asarray(official.targets, dtype=np.int64)


def _downloaded(build: Any, name: str, folder: Path, train: bool) -> Any:
    try:
        return build(str(folder), train=train, download=True)
    except (RuntimeError, OSError) as error:  # URLError is an OSError
        raise DataUnavailable(
            f"{name} is not in {folder} and could not be downloaded into it: {error}. Without a network, copy "
            "the files there from another machine, or use data.name=digits, which needs none."
        ) from error
