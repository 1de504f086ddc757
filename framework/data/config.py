"""Which images, and how they are split. This module knows no tensor and reads no file."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from framework.config import Config, Seed, added, no_effect
from framework.errors import Problem

DataName = Literal["digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "stl10", "imagenette", "folder"]


class DataConfig(Config):
    """A labelled set of images in three disjoint splits: train, val and test.

    Where a data set has an official test split, that is the test split, and val is taken from the official
    train split. `digits` (scikit-learn's 8x8 digits) has none: val and test are both taken from the whole. A
    `folder` may bring splits of its own; those that it lacks are drawn. Every split that is drawn is seeded and
    stratified by class.
    """

    name: DataName = Field(
        "digits",
        description="Data set: digits (1,797 images of 1x8x8, ships with scikit-learn), mnist and "
        "fashion_mnist (70,000 of 1x28x28), cifar10 and cifar100 (60,000 of 3x32x32), stl10 (13,000 of 3x96x96, "
        "and 100,000 without labels), imagenette (13,394 photographs, 3x160x160), folder (images in a folder of "
        "your own, a folder for each class).",
    )
    split_seed: Seed = Field(
        0, description="Seed of the draws: of val, of test where it is drawn, and of train_fraction."
    )
    val_fraction: float = Field(
        0.1, gt=0, lt=1, description="Share of the images outside the test split that goes to val, in (0, 1)."
    )
    test_fraction: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Share of all images that goes to test, in (0, 1), where there is no official test split "
        "(digits, and a folder without one); the others ignore it.",
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
    image_size: Annotated[int, Field(ge=1)] | None = added(
        None,
        description="Side of the images, in pixels: each is resized so that its shorter side has it, and cut to "
        "the square in the middle. null takes the data set's own; a folder has none, and needs a number.",
    )
    folder: str | None = added(
        None,
        description="For name=folder: where the images lie, as folder/CLASS/IMAGE, or as folder/train/CLASS/IMAGE "
        "with val and test beside train. A relative path starts in the data folder. The path stands for what "
        "lies there: other images need another one.",
    )
    train_fraction: Annotated[float, Field(gt=0, le=1)] = added(
        1.0,
        description="Share of the train split that is kept, in (0, 1], of each class as of any other; a smaller "
        "share keeps some of what a larger one keeps. val, test and images without labels are not touched.",
    )

    def conflicts(self) -> Iterator[Problem]:
        """A folder that is not named, or one that nothing reads."""
        if self.name == "folder":
            if not self.folder:
                yield Problem("folder", "is not given; allowed, with name=folder: the path of a folder of images")
            if self.image_size is None:
                message = "is null, and images of a folder may have any size; allowed: a number of pixels"
                yield Problem("image_size", message)
        elif self.folder is not None:
            yield Problem(
                "folder", f"is {self.folder!r}, which {self.name} does not read; allowed: name=folder, or null"
            )
