"""A convolutional autoencoder, after the one of kaieberl/latent-communication (TUM 2024).

    encode   Conv(C → 32, k3 s2 p1)     BN  GELU             (C, 28, 28)    → (32, 14, 14)
             Conv(32 → 64, k3 s2 p1)    BN  GELU                            → (64, 7, 7)
             Conv(64 → 128, k3 s2 p1)   BN  GELU                            → (128, 4, 4)
             Conv(128 → 256, k3 s2 p1)  BN  GELU                            → (256, 2, 2)
             flatten, Linear(1024 → 500)  GELU  Linear(500 → D)             → D
    decode   Linear(D → 500)  GELU  Linear(500 → 1024)  GELU                → (256, 2, 2)
             ConvT(256 → 128, k3 s2 p1) BN  GELU                            → (128, 4, 4)
             ConvT(128 → 64, k3 s2 p1)  BN  GELU                            → (64, 7, 7)
             ConvT(64 → 32, k3 s2 p1)   BN  GELU                            → (32, 14, 14)
             ConvT(32 → C, k3 s2 p1)    sigmoid                             → (C, 28, 28)

It differs in two ways: the original's 500 units are its latent space, where here a linear layer on them is; and
its decoder ends in one more convolution (ConvT 32 → 32, Conv 32 → C), where this one mirrors the encoder.

A convolution takes a side of s to ceil(s / 2). A transposed one takes t to 2t - 1, or to 2t with an output padding
of 1, so that each s comes back exactly, odd or even.

Shapes: N images, C channels, H x W pixels, D latent dimensions.
"""

import math
from itertools import pairwise

from torch import nn

from framework.models.autoencoder import Autoencoder, initialise
from framework.models.base import Shape
from framework.models.config import AE


class ConvolutionalAutoencoder(Autoencoder):
    """Strided convolutions and a hidden linear layer each way, for images of any side."""

    channels_last = True

    def __init__(self, config: AE, input_shape: Shape) -> None:
        super().__init__(config.latent_dim, input_shape)
        channels, height, width = input_shape
        stages = [(height, width)]
        for _ in config.channels:
            stages.append((-(-stages[-1][0] // 2), -(-stages[-1][1] // 2)))
        small = (config.channels[-1], *stages[-1])
        features = math.prod(small)
        plan = (channels, *config.channels)

        encoder: list[nn.Module] = []
        for inputs, outputs in pairwise(plan):
            convolution = nn.Conv2d(inputs, outputs, kernel_size=3, stride=2, padding=1)
            encoder += [convolution, nn.BatchNorm2d(outputs), nn.GELU()]
        encoder += [nn.Flatten(), nn.Linear(features, config.hidden), nn.GELU()]
        self.encoder = nn.Sequential(*encoder, nn.Linear(config.hidden, config.latent_dim))

        decoder: list[nn.Module] = [nn.Linear(config.latent_dim, config.hidden), nn.GELU()]
        decoder += [nn.Linear(config.hidden, features), nn.GELU(), nn.Unflatten(1, small)]
        for (inputs, outputs), (before, after) in zip(pairwise(plan[::-1]), pairwise(stages[::-1]), strict=True):
            padding = (after[0] - 2 * before[0] + 1, after[1] - 2 * before[1] + 1)
            decoder.append(nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=padding))
            decoder += [nn.BatchNorm2d(outputs), nn.GELU()]
        self.decoder = nn.Sequential(*decoder[:-2], *([nn.Sigmoid()] if config.output == "sigmoid" else []))
        self.apply(initialise)
