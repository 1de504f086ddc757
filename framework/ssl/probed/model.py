"""An encoder and its linear probe as a classifier: features are the latents, logits the outputs.

    encode   the encoder's features, in eval mode                       (C, H, W) → D
    decode   z → W (z - m) / s + b, with the probe's own m and s                  → logits

Shapes: N images, C channels, H x W pixels, D features, K classes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from framework.models.base import Shape
from framework.models.classifier import Classifier
from framework.ssl.evaluation.features import encoded
from framework.ssl.evaluation.images import fitted
from framework.ssl.evaluation.probe import Probe
from framework.ssl.method import Method


class ProbeHead(nn.Module):
    """The probe in single precision. A class that train has no image of has the logit -inf."""

    weight: Tensor
    bias: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(num_classes, num_features))
        self.register_buffer("bias", torch.zeros(num_classes))
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("std", torch.ones(num_features))

    def forward(self, features_ND: Tensor) -> Tensor:
        """Logits (N, K)."""
        # The mean comes off first: folded into the bias, it would leave a small difference of large numbers.
        return F.linear((features_ND - self.mean) / self.std, self.weight, self.bias)


class ProbedEncoder(Classifier):
    """Images (N, C, H, W) → features (N, D) → logits (N, K); images are fitted to the size of the encoder's."""

    def __init__(self, method: Method, head: ProbeHead, input_shape: Shape) -> None:
        super().__init__(method.num_features, input_shape, len(head.bias))
        self.method, self.head = method, head
        self.eval()

    def encode(self, images_NCHW: Tensor) -> Tensor:
        """Features (N, D) of images (N, C, H, W)."""
        return encoded(self.method, fitted(images_NCHW, self.method.backbone.image_shape))

    def decode(self, latents_ND: Tensor) -> Tensor:
        """Logits (N, K) of features (N, D)."""
        logits_NK: Tensor = self.head(latents_ND)
        return logits_NK


def head_of(probe: Probe) -> ProbeHead:
    """The head of a fitted probe; it lies on the CPU."""
    classes, features = probe.weight.shape
    head = ProbeHead(features, classes)
    for name in ("weight", "bias", "mean", "std"):
        getattr(head, name).copy_(getattr(probe, name))
    return head
