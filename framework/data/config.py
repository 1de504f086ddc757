"""Which images, and how they are split. This module knows no tensor and reads no file."""

from typing import Literal

from pydantic import Field

from framework.config import Config, Seed, no_effect

DataName = Literal["digits", "mnist", "fashion_mnist", "cifar10", "cifar100"]


class DataConfig(Config):
    """A labelled set of images in three disjoint splits: train, val and test.

    Where a data set has an official test split, that is the test split, and val is taken from the official
    train split. `digits` (scikit-learn's 8x8 digits) has none: val and test are both taken from the whole.
    Every split that is drawn is seeded and stratified by class.
    """

    name: DataName = Field(
        "digits",
        description="Data set: digits (1,797 images of 1x8x8, ships with scikit-learn), mnist and "
        "fashion_mnist (70,000 of 1x28x28), cifar10 and cifar100 (60,000 of 3x32x32).",
    )
    split_seed: Seed = Field(0, description="Seed of the draw of the val (and drawn test) split.")
    val_fraction: float = Field(
        0.1, gt=0, lt=1, description="Share of the images outside the test split that goes to val, in (0, 1)."
    )
    test_fraction: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Share of all images that goes to test, in (0, 1), where there is no official test split "
        "(digits); the others ignore it.",
    )
    normalise: Literal["unit", "standard"] = Field(
        "unit",
        description="Scale of the images that a model sees: unit is pixel intensity in [0, 1]; standard "
        "subtracts the mean of each channel and divides by its standard deviation. Errors are reported in "
        "units of [0, 1] either way.",
    )
    download: bool = no_effect(
        False,
        description="Whether a data set that is not in the data folder may be downloaded into it (true or "
        "false). SASHIKO_DOWNLOAD=1 allows it too.",
    )
