"""A fully connected classifier.

    encode   flatten; Linear and ReLU, a pair for each hidden width      (C, H, W) → D
    decode   head: Linear(D → K)                                                   → logits

With hidden widths 400, 200 and 100 and without biases it is the MlpNet of Singh and Jaggi, "Model fusion via
optimal transport", 2020. Weights begin as PyTorch draws them.

Shapes: N images, C channels, H x W pixels, D latent dimensions (the last hidden width), K classes.
"""

import math
from itertools import pairwise

from torch import Tensor, nn

from framework.models.base import Shape
from framework.models.classifier import Classifier
from framework.models.config import MLP


class DenseClassifier(Classifier):
    """Linear layers with ReLU; its latents are the last hidden activations, none below zero."""

    def __init__(self, config: MLP, input_shape: Shape, num_classes: int) -> None:
        widths = (math.prod(input_shape), *config.hidden)
        super().__init__(widths[-1], input_shape, num_classes)
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs, bias=config.bias), nn.ReLU()]
        self.encoder = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], num_classes, bias=config.bias)

    def encode(self, images_NCHW: Tensor) -> Tensor:
        """Latents (N, D) of images (N, C, H, W)."""
        latents_ND: Tensor = self.encoder(images_NCHW)
        return latents_ND

    def decode(self, latents_ND: Tensor) -> Tensor:
        """Logits (N, K) of latents (N, D)."""
        logits_NK: Tensor = self.head(latents_ND)
        return logits_NK
