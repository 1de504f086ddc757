"""A fully connected autoencoder: image → hidden … → latent → … hidden → image.

Shapes: N images, C channels, H x W pixels, D latent dimensions.
"""

import math
from itertools import pairwise

from torch import nn

from framework.models.autoencoder import Autoencoder, initialise
from framework.models.base import Shape
from framework.models.config import MLPAutoencoder


class DenseAutoencoder(Autoencoder):
    """Linear layers with GELU between them; latent and output are linear, so images of any sign can be met."""

    def __init__(self, config: MLPAutoencoder, input_shape: Shape) -> None:
        super().__init__(config.latent_dim, input_shape)
        widths = (math.prod(input_shape), *config.hidden, config.latent_dim)
        self.encoder = nn.Sequential(nn.Flatten(), *dense(widths, nn.GELU))
        self.decoder = nn.Sequential(*dense(widths[::-1], nn.GELU), nn.Unflatten(1, input_shape))
        self.apply(initialise)


def dense(widths: tuple[int, ...], activation: type[nn.Module]) -> list[nn.Module]:
    """Linear layers from width to width, with `activation` between them and none at the end."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), activation()]
    return layers[:-1]
