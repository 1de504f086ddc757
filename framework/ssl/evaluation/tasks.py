"""What models are evaluated on: three disjoint parts, to fit on (train), choose on (val) and score on (test).

A task is made of the name of a data set, of `Splits` of `framework.data`, or of two arrays (X, y), of which val
and test are drawn by class and by a seed. Classes are numbered from 0 in the order of their labels.

Shapes: N images.
"""

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import torch
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
from torch import Tensor

from framework.data.config import DataConfig, DataName
from framework.data.vision import ImageSet, Splits, load_splits
from framework.errors import InvalidInput, Problem
from framework.fields import nearest
from framework.seeds import refuse_no_seed, unsigned

VAL, TEST = 0.1, 0.2
"""Shares of (X, y) that go to val (of what is outside test) and to test, as of digits."""


@dataclass(frozen=True)
class Task:
    """Three parts, how many classes there are, and how the parts came about.

    `one_origin` tells that the indices of all three parts are positions in one and the same set.
    """

    name: str
    train: ImageSet
    val: ImageSet
    test: ImageSet
    classes: tuple[Any, ...]
    how: str
    one_origin: bool

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.classes)

    @property
    def counts(self) -> dict[str, int]:
        """The number of images of each part."""
        return {f"n_{part}": len(getattr(self, part)) for part in ("train", "val", "test")}


def task_of(dataset: Any, seed: int = 0) -> Task:
    """The task that is meant by a name, `Splits`, (X, y), or a task itself.

    `seed` draws the parts of (X, y), and those of a named data set (its `split_seed`).

    Raises:
        InvalidInput: it is none of these; an unknown name (the nearest is told); X and y that do not belong
            together; a class with too few images for three parts; parts that share images.
        DataUnavailable: the named data set is not on this machine.
    """
    refuse_no_seed(seed)
    if isinstance(dataset, Task):
        return dataset
    if isinstance(dataset, str):
        if dataset not in get_args(DataName):
            raise InvalidInput([Problem("dataset", f"is {dataset!r}; {nearest(dataset, get_args(DataName))}")])
        return _of_splits(load_splits(DataConfig(name=dataset, split_seed=seed)), f"splits of seed {seed}")  # type: ignore[arg-type]
    if isinstance(dataset, Splits):
        return _of_splits(dataset, "splits as given")
    if isinstance(dataset, tuple | list) and len(dataset) == 2:
        return _drawn(dataset[0], dataset[1], seed)
    message = f"is {type(dataset).__name__}; allowed: the name of a data set, Splits, or (X, y)"
    raise InvalidInput([Problem("dataset", message)])


def _of_splits(splits: Splits, how: str) -> Task:
    one_origin = splits.name == "digits"  # the others have an official test set, with positions of its own
    task = Task(
        splits.name, splits.train, splits.val, splits.test, tuple(range(splits.num_classes)), how, one_origin
    )
    pairs = [("train", "val"), *([("train", "test"), ("val", "test")] if one_origin else [])]
    shared = {
        f"{first} and {second}": int(torch.isin(getattr(task, first).indices, getattr(task, second).indices).sum())
        for first, second in pairs
    }
    if any(shared.values()):
        told = ", ".join(f"{pair} share {count} images" for pair, count in shared.items() if count)
        raise InvalidInput([Problem("dataset", f"{told}; allowed: disjoint splits")])
    return task


def _drawn(x: Any, y: Any, seed: int) -> Task:
    rows, labels = _rows(x), _labels(y)
    if len(rows) != len(labels):
        message = f"has {len(rows)} rows in X and {len(labels)} labels in y; allowed: as many of both"
        raise InvalidInput([Problem("dataset", message)])
    classes, numbers = np.unique(labels, return_inverse=True)
    state = np.random.RandomState(np.random.MT19937(np.random.SeedSequence(unsigned(seed))))
    try:
        rest, test = train_test_split(np.arange(len(rows)), test_size=TEST, random_state=state, stratify=numbers)
        train, val = train_test_split(rest, test_size=VAL, random_state=state, stratify=numbers[rest])
    except ValueError as error:
        message = f"cannot be drawn into train, val and test by class ({error}); give more images of each class"
        raise InvalidInput([Problem("dataset", message)]) from error

    def part(places: Any) -> ImageSet:
        chosen = torch.from_numpy(np.sort(places))
        return ImageSet(rows[chosen], torch.from_numpy(numbers.astype(np.int64))[chosen], chosen)

    how = f"drawn from (X, y) by class with seed {seed}: {len(train)} train, {len(val)} val, {len(test)} test"
    return Task("(X, y)", part(train), part(val), part(test), tuple(classes.tolist()), how, one_origin=True)


def _rows(x: Any) -> Tensor:
    try:
        rows = x.detach().cpu() if isinstance(x, Tensor) else torch.from_numpy(np.ascontiguousarray(x))
    except (TypeError, ValueError) as error:
        raise InvalidInput([Problem("dataset", f"has an X that is no array of numbers ({error})")]) from error
    if rows.ndim < 2 or 0 in rows.shape or rows.is_complex():
        message = f"has an X of {rows.dtype} with the shape {tuple(rows.shape)}; allowed: real numbers (N, …)"
        raise InvalidInput([Problem("dataset", message)])
    return rows if rows.is_floating_point() and rows.dtype != torch.float64 else rows.float()


def _labels(y: Any) -> Any:
    labels = y.detach().cpu().numpy() if isinstance(y, Tensor) else np.asarray(y)
    if labels.ndim != 1 or labels.dtype.kind not in "biuUS":
        message = f"has a y of {labels.dtype} with the shape {labels.shape}; allowed: whole numbers or words, (N,)"
        raise InvalidInput([Problem("dataset", message)])
    return labels
