"""A fully connected autoencoder: image → hidden … → latent → … hidden → image.

Shapes: N images, C channels, H x W pixels, D latent dimensions.
"""

import math
from itertools import pairwise

from torch import Tensor, nn

from framework.models.autoencoder import Autoencoder, initialise
from framework.models.config import MLPAutoencoder


class DenseAutoencoder(Autoencoder):
    """Linear layers with GELU between them; latent and output are linear, so images of any sign can be met."""

    def __init__(self, config: MLPAutoencoder, input_shape: tuple[int, int, int]) -> None:
        super().__init__(config.latent_dim, input_shape)
        widths = (math.prod(input_shape), *config.hidden, config.latent_dim)
        self.encoder = nn.Sequential(nn.Flatten(), *_layers(widths))
        self.decoder = nn.Sequential(*_layers(widths[::-1]), nn.Unflatten(1, input_shape))
        self.apply(initialise)

    def encode(self, images_NCHW: Tensor) -> Tensor:
        """Latents (N, D) of images (N, C, H, W)."""
        latents_ND: Tensor = self.encoder(images_NCHW)
        return latents_ND

    def decode(self, latents_ND: Tensor) -> Tensor:
        """Images (N, C, H, W) of latents (N, D)."""
        images_NCHW: Tensor = self.decoder(latents_ND)
        return images_NCHW


def _layers(widths: tuple[int, ...]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.GELU()]
    return layers[:-1]
