"""How a variational autoencoder learns (Kingma and Welling, "Auto-encoding variational Bayes", 2014).

    z = mu + exp(logvar / 2) ε,  ε ~ N(0, 1)                     a sample of the posterior, in training         (1)
    loss = Σ_pixels (decode(z) - image)² + kl_weight KL          the mean over the batch                        (2)
    KL = -1/2 Σ_d (1 + logvar_d - mu_d² - exp(logvar_d))         from N(mu, exp(logvar)) to N(0, 1), in nats    (3)

The squared error is in intensity squared on [0, 1]. In kaieberl/latent-communication, whose images are in [-1, 1],
it is four times as large beside the same KL: kl_weight = 1/4 is here what 1 is there.

Shapes: B images in a batch, C channels, D latent dimensions.
"""

from torch import Tensor

from framework.metrics.reconstruction import mse_per_image
from framework.models.vae import VariationalAutoencoder
from framework.training.batches import Batch
from framework.training.config import TrainingConfig
from framework.training.module import Training
from framework.training.ranks import shares


class VariationalTraining(Training):
    """Trains `model` by equation (2), with the weight of its config.

    Both steps measure `mse`, per pixel as everywhere, and `kl` in nats, (B,). In training `mse` is that of the
    decoded samples; in validation that of the decoded means, which is what the trained model gives.
    """

    error = "mse"
    model: VariationalAutoencoder
    pixel_scale: Tensor

    def __init__(
        self, model: VariationalAutoencoder, config: TrainingConfig, kl_weight: float, pixel_scale_C: Tensor
    ) -> None:
        super().__init__(model, config)
        self.kl_weight = kl_weight
        self.register_buffer("pixel_scale", pixel_scale_C.clone(), persistent=False)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The loss, and `mse` and `kl` (B,) of the images in the batch, in train mode."""
        images = batch[0]
        mu_BD, logvar_BD = self.model.posterior(images)
        samples_BD = mu_BD + (logvar_BD / 2).exp() * shares.normal_like(mu_BD)  # (1)
        errors_B = mse_per_image(self.model.decode(samples_BD), images, self.pixel_scale)
        kl_B = divergence(mu_BD, logvar_BD)
        loss = (errors_B * images[0].numel() + self.kl_weight * kl_B).mean()  # (2)
        return {"loss": loss, "mse": errors_B.detach(), "kl": kl_B.detach()}

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """`mse` and `kl` (B,) of the images in the batch, in eval mode."""
        images = batch[0]
        mu_BD, logvar_BD = self.model.posterior(images)
        errors_B = mse_per_image(self.model.decode(mu_BD), images, self.pixel_scale)
        return {"mse": errors_B, "kl": divergence(mu_BD, logvar_BD)}


def divergence(mu_BD: Tensor, logvar_BD: Tensor) -> Tensor:
    """Kullback-Leibler divergence from N(mu, exp(logvar)) to N(0, 1), in nats, (B,): equation (3)."""
    return -(1 + logvar_BD - mu_BD.square() - logvar_BD.exp()).sum(dim=1) / 2
