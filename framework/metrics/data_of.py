"""Data as a notebook has it, as the measures of a classifier take it: inputs and class labels.

    pair      (inputs, labels): arrays or tensors (N, …) and (N,)
    images    the project's ImageSet; of its Splits, the train split
    loader    anything that gives pairs again and again: a DataLoader, a list of batches; in its own order
    data set  a torch Dataset of single samples, in an order drawn once

Inputs come into the precision of the model's weights.

Shapes: N samples, B of them in a batch.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from framework.data.vision import ImageSet, Splits
from framework.errors import InvalidInput, Problem
from framework.metrics.perturbation import Batch, generator
from framework.values import is_number

Data = ImageSet | Iterable[Any] | Dataset[Any]

STREAM = 9  # of the random numbers: no other measure may draw the same
LOADED = 50  # batches that are read of a loader, unless another number is given
BATCH_SIZE = 64

ALLOWED = "(inputs, labels), a DataLoader or list of such batches, a torch Dataset, an ImageSet or Splits"


def splits_of(model: nn.Module, data: Splits | Data, test: Data | None, batches: int) -> Splits:
    """Train and test images for `model`; an empty test split where there is none.

    Raises:
        InvalidInput: data that is in none of the forms, or test images beside splits, which have their own.
    """
    if isinstance(data, Splits):
        if test is not None:
            raise InvalidInput([Problem("test", "is given beside splits, which have test images; leave it out")])
        return data
    train = images_of(model, data, batches, "data")
    nothing = ImageSet(train.images[:0], train.labels[:0], train.indices[:0])
    channels = torch.ones(train.images.shape[1] if train.images.ndim > 1 else 1)
    other = nothing if test is None else images_of(model, test, batches, "test")
    return Splits("data", train, nothing, other, torch.zeros_like(channels), channels, "unit")


def images_of(model: nn.Module, data: Data, batches: int, name: str = "data") -> ImageSet:
    """The data as one set, on the CPU; of a loader the first `batches`.

    Raises:
        InvalidInput: data that is in none of the forms; `name` is the key.
    """
    if isinstance(data, ImageSet):
        return data
    pairs = list(batches_of(model, data, batches, name))
    inputs, labels = (torch.cat([tensor.cpu() for tensor in tensors]) for tensors in zip(*pairs, strict=True))
    return ImageSet(inputs, labels, torch.arange(len(labels)))


def is_loader(data: object) -> bool:
    """Whether the data comes in batches of its own."""
    return not (isinstance(data, ImageSet | Splits | Dataset) or _is_pair(data))


def batches_of(model: nn.Module, data: Data, batches: int, name: str = "data") -> Iterator[Batch]:
    """The first `batches` of a loader as they come; a pair is one batch.

    Raises:
        InvalidInput: data that is in none of the forms, no batch, or one that is no inputs and labels.
    """
    if not (is_number(batches, whole=True) and batches >= 1):
        raise InvalidInput([Problem("batches", f"is {batches!r}; allowed: 1 or more")])
    if _is_pair(data):
        yield _batch(model, data, name)
        return
    if isinstance(data, Dataset):
        drawn = generator(0, STREAM)
        data = DataLoader(data, batch_size=BATCH_SIZE, shuffle=True, generator=drawn)
    if not isinstance(data, Iterable) or isinstance(data, str | bytes | dict | Tensor | np.ndarray):
        raise InvalidInput([Problem(name, f"is a {type(data).__name__}; allowed: {ALLOWED}")])
    count = -1
    for count, given in enumerate(islice(data, batches)):
        yield _batch(model, given, f"{name}[{count}]")
    if count < 0:
        raise InvalidInput([Problem(name, "has no batch; one or more are needed")])


def device_of(model: nn.Module) -> torch.device:
    """Where the model's weights are."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def _is_pair(data: object) -> bool:
    return (
        isinstance(data, tuple | list)
        and len(data) == 2
        and all(isinstance(part, Tensor | np.ndarray) for part in data)
    )


def _batch(model: nn.Module, given: object, name: str) -> Batch:
    if not _is_pair(given):
        what = f"a {type(given).__name__}" + (f" of {len(given)}" if isinstance(given, tuple | list) else "")
        raise InvalidInput([Problem(name, f"is {what}; allowed: (inputs, labels), arrays or tensors")])
    inputs, labels = (torch.as_tensor(part) if isinstance(part, Tensor) else torch.tensor(part) for part in given)  # type: ignore[attr-defined]
    problems = []
    if labels.ndim != 1 or labels.is_floating_point() or labels.is_complex():
        kind = str(labels.dtype).removeprefix("torch.")
        problems.append(
            Problem(name, f"has labels {tuple(labels.shape)} of {kind}; allowed: classes (N,), integers")
        )
    elif inputs.ndim == 0 or len(inputs) != len(labels) or not len(labels):
        message = f"has inputs {tuple(inputs.shape)} and labels {tuple(labels.shape)}; allowed: as many, 1 or more"
        problems.append(Problem(name, message))
    if problems:
        raise InvalidInput(problems)
    weight = next(model.parameters(), None)
    if weight is not None and weight.is_floating_point() and inputs.is_floating_point():
        inputs = inputs.to(weight.dtype)
    return _outside(inputs.detach()), _outside(labels.long())


def _outside(tensor: Tensor) -> Tensor:
    """A tensor that can be part of a gradient's graph, also where it was made in inference mode."""
    with torch.inference_mode(False):
        return tensor.clone() if tensor.is_inference() else tensor
