"""How well a classifier does on images it has learned from and on others, and what lies between.

    generalisation gap   train accuracy - test accuracy                                                         (1)
    cross-entropy gap    test cross-entropy - train cross-entropy                                               (2)
    inverse gap          1 / |train accuracy - test accuracy|                                                   (3)

Both gaps are positive where the network does better on what it has learned. (3) is what some studies correlate in
place of the accuracy, because more of it is better; of a gap of exactly 0 it is undefined, NaN, not infinite: one
such network would make every mean and every correlation over networks infinite or NaN without saying why.

Shapes: N images, K classes.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn

from framework.data.vision import ImageSet
from framework.errors import InvalidInput, Problem
from framework.machine import device_here
from framework.metrics.classification import accuracy, cross_entropy_per_image
from framework.metrics.metric import Metric
from framework.metrics.perturbation import steady
from framework.models.batch import running

_SHARES = "share of images, in [-1, 1]"

GENERALISATION_GAP = Metric(
    name="generalisation_gap", unit=_SHARES, better="lower", reduction="difference of two means over images"
)

CROSS_ENTROPY_GAP = Metric(
    name="cross_entropy_gap", unit="nats", better="lower", reduction="difference of two means over images"
)

INVERSE_GAP = Metric(
    name="inverse_gap",
    unit="1 / share of images, NaN where the gap is 0",
    better="higher",
    reduction="reciprocal of the size of a difference of two means over images",
)

BATCH = 512


@dataclass(frozen=True)
class Score:
    """Accuracy, in [0, 1], and cross-entropy, in nats, of one network on one split, as means over its images."""

    accuracy: float
    cross_entropy: float


@dataclass(frozen=True)
class Gaps:
    """Equations (1)-(3)."""

    generalisation_gap: float
    cross_entropy_gap: float
    inverse_gap: float


def score(model: nn.Module, split: ImageSet, device: torch.device | str = "cpu") -> Score:
    """What `model`, which lies on `device`, makes of the images of `split`, in eval mode; it is left as it was.

    Raises:
        InvalidInput: the split has no images, the model does not run on them, or the device is not there.
    """
    device = device_here(device)
    if not len(split):
        raise InvalidInput([Problem("split", "has no images; accuracy and loss are means over one or more")])
    predictions, losses = [], []
    with steady(model), torch.no_grad():
        pieces = zip(torch.split(split.images, BATCH), torch.split(split.labels, BATCH), strict=True)
        for images, labels in pieces:
            with running(model, images):
                logits_NK = model(images.to(device))
            predictions.append(logits_NK.argmax(dim=1).cpu())
            losses.append(cross_entropy_per_image(logits_NK, labels.to(device)).double().cpu())
    return Score(accuracy(torch.cat(predictions), split.labels.cpu()), float(torch.cat(losses).mean()))


def gaps(train: Score, test: Score) -> Gaps:
    """Equations (1)-(3)."""
    gap = train.accuracy - test.accuracy
    return Gaps(gap, test.cross_entropy - train.cross_entropy, 1 / abs(gap) if gap else math.nan)
