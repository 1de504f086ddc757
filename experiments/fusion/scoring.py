"""How good a classifier is, on each split.

Shapes: N images, K classes.
"""

from typing import NamedTuple

import torch
from torch import nn

from framework.data.vision import ImageSet, Splits
from framework.metrics.classification import accuracy, cross_entropy_per_image
from framework.training.evaluation import SPLITS, evaluating

BATCH = 500


class Score(NamedTuple):
    """Share of images that are put into their class, and the mean cross-entropy in nats."""

    accuracy: float
    cross_entropy: float


def scored(module: nn.Module, images: ImageSet, device: torch.device) -> Score:
    """The score of `module`, which is moved to `device`, on a set of images."""
    module.to(device)
    errors, predictions = [], []
    with evaluating(module):
        for piece, labels in zip(
            torch.split(images.images, BATCH), torch.split(images.labels, BATCH), strict=True
        ):
            logits_NK = module(piece.to(device))
            errors.append(cross_entropy_per_image(logits_NK, labels.to(device)).double().cpu())
            predictions.append(logits_NK.argmax(dim=1).cpu())
    return Score(accuracy(torch.cat(predictions), images.labels), float(torch.cat(errors).mean()))


def scores(module: nn.Module, splits: Splits, device: torch.device) -> dict[str, Score]:
    """The score on each split."""
    return {split: scored(module, getattr(splits, split), device) for split in SPLITS}
