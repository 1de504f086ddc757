"""How well logits tell classes, and how far two classifiers tell the same.

Shapes: N images, K classes.
"""

import torch.nn.functional as F
from torch import Tensor

from framework.metrics.metric import Metric

CROSS_ENTROPY = Metric(name="cross_entropy", unit="nats", better="lower", reduction="mean over images")

ACCURACY = Metric(
    name="accuracy",
    unit="share of images whose largest logit is that of their class, in [0, 1]",
    better="higher",
    reduction="mean over images",
)

AGREEMENT = Metric(
    name="agreement",
    unit="share of images that two classifiers put into the same class, in [0, 1]",
    better="higher",
    reduction="mean over images",
)


def cross_entropy_per_image(logits_NK: Tensor, labels_N: Tensor) -> Tensor:
    """-log softmax(logits)[label] of each image, (N,), in nats; differentiable."""
    return F.cross_entropy(logits_NK, labels_N, reduction="none")


def accuracy(predictions_N: Tensor, labels_N: Tensor) -> float:
    """The share of predicted classes, (N,), that are the labels, (N,); NaN for no images."""
    return float((predictions_N == labels_N).double().mean())


def agreement(predictions_N: Tensor, others_N: Tensor) -> float:
    """The share of images to which two classifiers give the same class, right or wrong; NaN for no images."""
    return float((predictions_N == others_N).double().mean())
