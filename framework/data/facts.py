"""What is known of the data sets without reading them: how many images, of which shape, in how many classes.

Knows no tensor. `vision` reads the images; a test compares both.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from framework.data.config import DataConfig
from framework.data.folders import folder_of, listing
from framework.data.places import IMAGENETTE_SIZE
from framework.errors import ConfigError, Problem
from framework.problems import within


class Facts(NamedTuple):
    """A data set: the images that drawn splits are taken from, their shape (C, H, W), and the classes."""

    images: int
    shape: tuple[int, int, int]
    classes: int


FACTS = {
    "digits": Facts(1797, (1, 8, 8), 10),
    "mnist": Facts(60_000, (1, 28, 28), 10),
    "fashion_mnist": Facts(60_000, (1, 28, 28), 10),
    "cifar10": Facts(50_000, (3, 32, 32), 10),
    "cifar100": Facts(50_000, (3, 32, 32), 100),
    "stl10": Facts(5_000, (3, 96, 96), 10),
    "imagenette": Facts(9_469, (3, IMAGENETTE_SIZE, IMAGENETTE_SIZE), 10),
}

UNLABELED = {"stl10": 100_000}
"""Images without labels, of the data sets that have some."""


def facts_of(config: DataConfig) -> Facts:
    """What is known of the data set of a config, with its images at the size that the config says.

    Raises:
        DataUnavailable: a folder of images that is not there; its files have to be counted.
        ConfigError: it is not said which folder, or at which size.
    """
    if config.name == "folder":
        if config.folder is None or config.image_size is None:
            raise ConfigError(tuple(within("data", config.conflicts())))
        classes, parts = listing(folder_of(config.folder))
        return Facts(len(parts["train"].paths), (3, config.image_size, config.image_size), len(classes))
    facts = FACTS[config.name]
    if config.image_size is None:
        return facts
    return facts._replace(shape=(facts.shape[0], config.image_size, config.image_size))


def own_splits(config: DataConfig) -> frozenset[str]:
    """Which of val and test the data set brings; the others are drawn."""
    if config.name == "folder":
        return frozenset(listing(folder_of(config.folder or "")).parts) - {"train"}
    return frozenset() if config.name == "digits" else frozenset(("test",))


def train_images(config: DataConfig) -> int:
    """The number of images in the train split."""
    return kept_images(_whole_train(config), config.train_fraction)


def kept_images(images: int, fraction: float) -> int:
    """How many images of a train split a fraction of it has."""
    return max(1, round(fraction * images))


def split_problems(config: DataConfig) -> Iterator[Problem]:
    """Fractions that leave a split with fewer images than classes, from which none can be drawn by class."""
    classes, whole, brought = facts_of(config).classes, facts_of(config).images, own_splits(config)
    fractions = {}
    if "val" not in brought:
        fractions["val_fraction"] = (config.val_fraction, _outside_test(config))
    if "test" not in brought:
        fractions["test_fraction"] = (config.test_fraction, whole)
    for name, (fraction, images) in fractions.items():
        least = min(_left(images, fraction), images - _left(images, fraction))
        if least < classes:
            message = (
                f"is {fraction}, which leaves a split of {least} images for {classes} classes; allowed: {classes}"
            )
            yield Problem(name, f"{message} or more")
    if config.train_fraction < 1 and train_images(config) < classes:
        message = f"is {config.train_fraction}, which keeps {train_images(config)} images of {classes} classes"
        yield Problem("train_fraction", f"{message}; allowed: {classes} or more")


def _whole_train(config: DataConfig) -> int:
    images = _outside_test(config)
    return images if "val" in own_splits(config) else _left(images, config.val_fraction)


def _outside_test(config: DataConfig) -> int:
    images = facts_of(config).images
    return images if "test" in own_splits(config) else _left(images, config.test_fraction)


def _left(images: int, fraction: float) -> int:
    """What scikit-learn's train_test_split leaves: it rounds the part that is drawn up."""
    return images - math.ceil(fraction * images)
