"""Features of a model for images: in eval mode, without gradients, batch by batch.

A model is a `Method`, a `Backbone`, or any module: its `encode` is taken where it has one, and its forward
otherwise. What it gives is flattened to a row for each image, in single precision (in double where it has it).

Shapes: N images, C channels, H x W pixels, D features.
"""

from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from framework.errors import InvalidInput, Problem
from framework.machine import device_here
from framework.ssl.evaluation.images import fitted, shape_taken
from framework.training.evaluation import evaluating
from framework.values import is_number

BATCH = 512


@dataclass(frozen=True)
class Features:
    """Features (N, D) of images, their labels (N,), and the images' positions (N,) in their data set, if known."""

    features: Tensor
    labels: Tensor
    indices: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)


def features_of(
    model: nn.Module, images: Tensor, *, batch_size: int = BATCH, device: torch.device | str | None = None
) -> Tensor:
    """The features (N, D), on the CPU, of images (N, C, H, W), or of whatever rows (N, …) the model takes.

    Args:
        model: It comes back on its device and in its mode (training or not).
        images: Where the model tells another `image_shape`, they are fitted to it (`images.py`).
        batch_size: Images at a time.
        device: Where to compute; the model's own, where none is given.

    Raises:
        InvalidInput: no module, no images, or a batch size that is not positive; the model gives no tensor with a
            row for each image, or NaN or infinite values.
    """
    _refuse(model, images, batch_size)
    home, precision = _place(model)
    there = home if device is None else device_here(device)
    shape = shape_taken(model)
    found = []
    model.to(there)
    try:
        with evaluating(model):
            for part in torch.split(images, batch_size):
                taken = part.to(there)
                taken = taken.to(precision) if taken.is_floating_point() else taken
                given = encoded(model, taken if shape is None else fitted(taken, shape))
                found.append((given if given.dtype == torch.float64 else given.float()).cpu())
    finally:
        model.to(home)
    features_ND = torch.cat(found)
    if bad := int((~torch.isfinite(features_ND).all(dim=1)).sum()):
        message = f"gives NaN or infinite features for {bad} of {len(images)} images; it diverged, train it anew"
        raise InvalidInput([Problem("model", message)])
    return features_ND


def encoded(model: Any, images: Tensor) -> Tensor:
    """The features (N, D) of one batch, with gradients where they are on.

    Raises:
        InvalidInput: the model gives no tensor with a row for each image.
    """
    given = model.encode(images) if callable(getattr(model, "encode", None)) else model(images)
    if not isinstance(given, Tensor) or given.ndim == 0 or len(given) != len(images):
        what = f"a tensor {tuple(given.shape)}" if isinstance(given, Tensor) else type(given).__name__
        message = f"gives {what} for {len(images)} images; allowed: a tensor with a row for each"
        raise InvalidInput([Problem("model", message)])
    return given.flatten(1) if given.ndim > 1 else given[:, None]


def _place(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Where a model lies, and the precision of its weights."""
    tensors = (tensor for tensor in chain(model.parameters(), model.buffers()) if tensor.is_floating_point())
    first = next(tensors, torch.empty(0))
    return first.device, first.dtype


def _refuse(model: Any, images: Any, batch_size: Any) -> None:
    problems = []
    if not isinstance(model, nn.Module):
        problems.append(Problem("model", f"is {type(model).__name__}; allowed: a torch module"))
    if not isinstance(images, Tensor) or images.ndim < 2 or 0 in images.shape:
        what = (
            f"have the shape {tuple(images.shape)}"
            if isinstance(images, Tensor)
            else f"are {type(images).__name__}"
        )
        problems.append(Problem("images", f"{what}; allowed: a tensor (N, …) with a row for each image"))
    if not (is_number(batch_size, whole=True) and batch_size >= 1):
        problems.append(Problem("batch_size", f"is {batch_size!r}; allowed: 1 or more images"))
    if problems:
        raise InvalidInput(problems, "features")
