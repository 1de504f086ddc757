"""What is known of the data sets without reading them: how many images, of which shape, in how many classes.

Knows no tensor. `vision` reads the images; a test compares both.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from framework.data.config import DataConfig
from framework.errors import Problem


class Facts(NamedTuple):
    """A data set: the images that train and val (of digits: test too) are taken from, their shape (C, H, W)."""

    images: int
    shape: tuple[int, int, int]
    classes: int


FACTS = {
    "digits": Facts(1797, (1, 8, 8), 10),
    "mnist": Facts(60_000, (1, 28, 28), 10),
    "fashion_mnist": Facts(60_000, (1, 28, 28), 10),
    "cifar10": Facts(50_000, (3, 32, 32), 10),
    "cifar100": Facts(50_000, (3, 32, 32), 100),
}


def facts_of(config: DataConfig) -> Facts:
    """What is known of the data set of a config."""
    return FACTS[config.name]


def train_images(config: DataConfig) -> int:
    """The number of images in the train split."""
    return _left(_outside_test(config), config.val_fraction)


def split_problems(config: DataConfig) -> Iterator[Problem]:
    """Fractions that leave a split with fewer images than classes, from which none can be drawn by class."""
    classes, whole = facts_of(config).classes, facts_of(config).images
    fractions = {"val_fraction": (config.val_fraction, _outside_test(config))}
    if config.name == "digits":
        fractions["test_fraction"] = (config.test_fraction, whole)
    for name, (fraction, images) in fractions.items():
        least = min(_left(images, fraction), images - _left(images, fraction))
        if least < classes:
            message = (
                f"is {fraction}, which leaves a split of {least} images for {classes} classes; allowed: {classes}"
            )
            yield Problem(name, f"{message} or more")


def _outside_test(config: DataConfig) -> int:
    images = facts_of(config).images
    return _left(images, config.test_fraction) if config.name == "digits" else images


def _left(images: int, fraction: float) -> int:
    """What scikit-learn's train_test_split leaves: it rounds the part that is drawn up."""
    return images - math.ceil(fraction * images)
