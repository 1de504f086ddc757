"""PCKTAE, the pocket autoencoder of kaieberl/latent-communication (TUM 2024).

    encode   Conv(C → 3C, k5 s2 p2)   BN  Dropout(.2)  GELU        (C, s, s)        → (3C, s/2, s/2)
             Conv(3C → 9C, k5 s2 p2)  BN  Dropout(.2)  GELU                         → (9C, s/4, s/4)
             flatten, Linear                                       9C (s/4)²        → D
    decode   Linear                                                D                → 9C (s/4)²
             ConvT(9C → 3C, k4 s2 p1) BN  Dropout(.2)  GELU        (9C, s/4, s/4)   → (3C, s/2, s/2)
             ConvT(3C → C, k4 s2 p1)  BN  Dropout(.2)  ReLU                         → (C, s, s)

The original leaves the rate of the decoder's first dropout open; it is .2 here like the others. The last ReLU
keeps pixels at zero or above, so the images must be non-negative.

Shapes: N images, C channels, s = H = W pixels a side (a multiple of 4), D latent dimensions, F = 9C (s/4)²
features (441 for 1x28x28).
"""

from torch import nn

from framework.errors import ConfigError, Problem
from framework.models.autoencoder import Autoencoder, initialise
from framework.models.base import Shape
from framework.models.config import PCKTAE
from framework.models.upsample import DoublingConvTranspose2d

DROPOUT = 0.2


class PocketAutoencoder(Autoencoder):
    """PCKTAE for square images whose side is a multiple of 4; no pixel that it gives is negative.

    Raises:
        ConfigError: the images are not square, or their side is no multiple of 4.
    """

    def __init__(self, config: PCKTAE, input_shape: Shape) -> None:
        super().__init__(config.latent_dim, input_shape)
        channels, height, width = input_shape
        if height != width or height % 4:
            message = (
                f"is pcktae, which takes square images with a side that is a multiple of 4, not {input_shape}"
            )
            raise ConfigError([Problem("model.kind", message)])
        small = (9 * channels, height // 4, width // 4)
        self.features = small[0] * small[1] * small[2]
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, 3 * channels, kernel_size=5, stride=2, padding=2),
            nn.BatchNorm2d(3 * channels),
            nn.Dropout(DROPOUT),
            nn.GELU(),
            nn.Conv2d(3 * channels, 9 * channels, kernel_size=5, stride=2, padding=2),
            nn.BatchNorm2d(9 * channels),
            nn.Dropout(DROPOUT),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(self.features, config.latent_dim),
        )
        self.decoder = nn.Sequential(
            nn.Linear(config.latent_dim, self.features),
            nn.Unflatten(1, small),
            DoublingConvTranspose2d(9 * channels, 3 * channels),
            nn.BatchNorm2d(3 * channels),
            nn.Dropout(DROPOUT),
            nn.GELU(),
            DoublingConvTranspose2d(3 * channels, channels),
            nn.BatchNorm2d(channels),
            nn.Dropout(DROPOUT),
            nn.ReLU(),
        )
        self.apply(initialise)
