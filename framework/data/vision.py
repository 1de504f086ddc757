"""Image sets as tensors in memory, in three disjoint splits.

    digits         scikit-learn's load_digits: 1,797 images of 1x8x8, intensities 0..16; ships with the package
    mnist          torchvision's layout, `MNIST/raw`: 60,000 + 10,000 images of 1x28x28
    fashion_mnist  torchvision's layout, `FashionMNIST/raw`: 60,000 + 10,000 of 1x28x28
    cifar10        torchvision's layout, `cifar-10-batches-py`: 50,000 + 10,000 of 3x32x32
    cifar100       torchvision's layout, `cifar-100-python`: 50,000 + 10,000 of 3x32x32
    stl10          torchvision's layout, `stl10_binary`: 5,000 + 8,000 of 3x96x96, and 100,000 without labels
    imagenette     as it is unpacked, `imagenette2-160`: 9,469 + 3,925 photographs of ten classes
    folder         any folder of images (`framework.data.folders`)

The folder is `SASHIKO_DATA`, or `data` in the working directory. This module knows no model.

Shapes: N images, C channels, H = W pixels a side.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
from torch import Tensor

from framework import inputs
from framework.data.config import DataConfig
from framework.data.fractions import digest, nested
from framework.data.pixels import Labels, Pixels, read
from framework.data.places import data_folder
from framework.errors import ConfigError, Problem
from framework.seeds import unsigned

# Mean and standard deviation of each channel over the official train split, in pixel intensity on [0, 1].
# CIFAR-10's deviations are the customary ones, which are means over images of the deviation within an image;
# over all pixels they are (.2470, .2435, .2616).
STATISTICS = {
    "mnist": ((0.1307,), (0.3081,)),
    "fashion_mnist": ((0.2860,), (0.3530,)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar100": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
}


@dataclass(frozen=True)
class ImageSet:
    """One split: images (N, C, H, W) float32, labels (N,) int64, indices (N,) int64.

    `indices` are positions in the official train or test split (where test is drawn: in the whole set). Of
    `load_pixels` images are uint8, and the labels of images without one are -1.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def digest(self) -> str:
        """Which images these are, in 12 hex digits."""
        return digest(self.indices.numpy())


@dataclass(frozen=True)
class Splits:
    """Three disjoint splits, and what it takes to read their pixels.

    `mean` and `std` (C,) are in pixel intensity on [0, 1]. `pixel_scale` (C,) is the intensity on [0, 1] of one
    unit of the images: ones for normalise=unit, `std` for normalise=standard, 1/255 for bytes.
    """

    name: str
    train: ImageSet
    val: ImageSet
    test: ImageSet
    mean: Tensor
    std: Tensor
    normalise: str
    unlabeled: ImageSet | None = None

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
        if self.normalise == "bytes":
            return torch.full_like(self.std, 1 / 255)
        return self.std if self.normalise == "standard" else torch.ones_like(self.std)

    def unit(self, images_NCHW: Tensor) -> Tensor:
        """`images_NCHW` on the scale of the splits, as pixel intensity, clipped to [0, 1] for showing."""
        if self.normalise == "standard":
            images_NCHW = images_NCHW * self.std[:, None, None] + self.mean[:, None, None]
        elif self.normalise == "bytes":
            images_NCHW = images_NCHW / 255
        return images_NCHW.clamp(0, 1)


def load_splits(config: DataConfig) -> Splits:
    """The three splits of `config`, decoded once per process: forked children share the memory.

    Raises:
        DataUnavailable: the set is not in the data folder and may not be, or cannot be, downloaded.
        ConfigError: a fraction leaves a split with fewer images than classes.
    """
    return _load_splits(_as_read(config), data_folder(), bytes_kept=False)


def load_pixels(config: DataConfig) -> Splits:
    """As `load_splits`, but images are bytes, a quarter of the memory, and `unlabeled` has those without labels.

    `config.normalise` is not looked at: `mean` and `std` are there for who normalises later. Digits are no bytes,
    but intensities in sixteenths: they stay float32 in [0, 1], with normalise=unit. Images of STL10 are mapped
    from the file: `unlabeled`, where it is there, takes no memory before it is indexed, and
    is whole whatever train_fraction is (`framework.data.nested` picks a share).

    Raises:
        DataUnavailable, ConfigError: as `load_splits`.
    """
    return _load_splits(_as_read(config).model_copy(update={"normalise": "unit"}), data_folder(), bytes_kept=True)


def _as_read(config: DataConfig) -> DataConfig:
    """Equal for all that give the same splits."""
    download = config.download or os.environ.get("SASHIKO_DOWNLOAD") == "1"
    drawn = config.name in ("digits", "folder")
    fraction = config.test_fraction if drawn else DataConfig.model_fields["test_fraction"].default
    return config.model_copy(update={"download": download, "test_fraction": fraction})


@lru_cache(maxsize=4)
def _load_splits(config: DataConfig, folder: Path, *, bytes_kept: bool) -> Splits:
    raw = read(config, folder, download=config.download)
    inputs.note(config.name, *(np.ascontiguousarray(one) for part in raw[:3] if part is not None for one in part))
    images, labels = raw.train
    rest = np.arange(len(labels))
    test_pixels, test_indices = raw.test or raw.train, np.arange(len(raw.test[1]) if raw.test else 0)
    if raw.test is None:
        rest, test_indices = _draw("data.test_fraction", config.test_fraction, rest, labels, config.split_seed)
    val_pixels, val_indices = raw.val or raw.train, np.arange(len(raw.val[1]) if raw.val else 0)
    if raw.val is None:
        rest, val_indices = _draw("data.val_fraction", config.val_fraction, rest, labels, config.split_seed)
    kept = (
        rest[nested(labels[rest], config.train_fraction, config.split_seed)] if config.train_fraction < 1 else rest
    )
    mean, std = _statistics(config, images, kept)
    are_bytes = images.dtype == np.uint8

    def split(part: tuple[Pixels, Labels], indices: Any) -> ImageSet:
        pixels, classes = part
        chosen = np.ascontiguousarray(pixels[indices])
        if are_bytes and not bytes_kept:
            chosen = chosen.astype(np.float32) / np.float32(255)
        found = torch.from_numpy(chosen)
        if config.normalise == "standard":
            found = (found - mean[:, None, None]) / std[:, None, None]
        return ImageSet(found, torch.from_numpy(classes[indices]), torch.from_numpy(indices))

    return Splits(
        name=config.name,
        train=split(raw.train, kept),
        val=split(val_pixels, val_indices),
        test=split(test_pixels, test_indices),
        mean=mean,
        std=std,
        normalise="bytes" if are_bytes and bytes_kept else config.normalise,
        unlabeled=_without_labels(raw.unlabeled) if bytes_kept and raw.unlabeled is not None else None,
    )


def _without_labels(pixels: Pixels) -> ImageSet:
    count = len(pixels)
    return ImageSet(torch.from_numpy(pixels), torch.full((count,), -1), torch.arange(count))


def _statistics(config: DataConfig, pixels: Pixels, indices: Any) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel: the customary ones, or those of the train split."""
    if config.name in STATISTICS and config.image_size is None:
        mean, std = (torch.tensor(numbers) for numbers in STATISTICS[config.name])
        return mean, std
    scale = 255 if pixels.dtype == np.uint8 else 1
    channels = [pixels[indices, channel] for channel in range(pixels.shape[1])]
    means = [float(channel.mean(dtype=np.float64)) / scale for channel in channels]
    return torch.tensor(means), torch.tensor(
        [float(channel.std(dtype=np.float64)) / scale for channel in channels]
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
