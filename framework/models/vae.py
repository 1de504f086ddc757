"""A fully connected variational autoencoder (Kingma and Welling, "Auto-encoding variational Bayes", 2014).

    encode   Linear(784 → 512 → 256 → 128 → 64 → D), ReLU between          image → h        (N, D)
             mu = Linear(D → D)(h)    logvar = Linear(D → D)(h)             q(z | image) = N(mu, exp(logvar))
    decode   Linear(D → 64 → 128 → 256 → 512 → 784), ReLU between, sigmoid                  → image

After kaieberl/latent-communication (TUM 2024), with two differences. There the latents that models are compared by
are samples of q; here they are its mean, so that an image has one latent. There the output is linear, for images
in [-1, 1]; here it is a sigmoid for images in [0, 1], or linear (`output`). How it learns is told in
`framework.training.vae`.

Shapes: N images, C channels, H x W pixels (784 for 1x28x28), D latent dimensions.
"""

import math

from torch import Tensor, nn

from framework.models.autoencoder import Autoencoder, initialise
from framework.models.base import Shape
from framework.models.config import VAE
from framework.models.mlp import dense


class VariationalAutoencoder(Autoencoder):
    """Images → the parameters of a normal distribution over latents; the mean is the latent that is decoded."""

    def __init__(self, config: VAE, input_shape: Shape) -> None:
        super().__init__(config.latent_dim, input_shape)
        widths = (math.prod(input_shape), *config.hidden, config.latent_dim)
        self.encoder = nn.Sequential(nn.Flatten(), *dense(widths, nn.ReLU))
        self.mu = nn.Linear(config.latent_dim, config.latent_dim)
        self.logvar = nn.Linear(config.latent_dim, config.latent_dim)
        decoder = [*dense(widths[::-1], nn.ReLU), nn.Unflatten(1, input_shape)]
        self.decoder = nn.Sequential(*decoder, *([nn.Sigmoid()] if config.output == "sigmoid" else []))
        self.apply(initialise)

    def posterior(self, images_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | image), both (N, D), of images (N, C, H, W)."""
        features_ND = self.encoder(images_NCHW)
        return self.mu(features_ND), self.logvar(features_ND)

    def encode(self, images_NCHW: Tensor) -> Tensor:
        """Latents (N, D) of images (N, C, H, W): the means of q(z | image)."""
        latents_ND: Tensor = self.mu(self.encoder(images_NCHW))
        return latents_ND
