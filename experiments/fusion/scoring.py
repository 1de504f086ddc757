"""How good a classifier is on each split, on the device of a run."""

import torch
from torch import nn

from framework.data.vision import ImageSet, Splits
from framework.metrics.generalisation import Score, score
from framework.training.evaluation import SPLITS


def scored(module: nn.Module, images: ImageSet, device: torch.device) -> Score:
    """The score of `module`, which is moved to `device`, on a set of images."""
    return score(module.to(device), images, device)


def scores(module: nn.Module, splits: Splits, device: torch.device) -> dict[str, Score]:
    """The score on each split."""
    return {split: scored(module, getattr(splits, split), device) for split in SPLITS}
