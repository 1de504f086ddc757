"""What every autoencoder is: two Sequentials, images to latents and back. Knows no data and no training.

Shapes: N images, C channels, H x W pixels, D latent dimensions.
"""

from collections.abc import Callable

from torch import Tensor, nn

from framework.models.base import Model, Task
from framework.models.folding import folded


class Autoencoder(Model):
    """Images (N, C, H, W) → latents (N, D) → images (N, C, H, W), deterministic in eval mode.

    A subclass sets `encoder` and `decoder`.
    """

    task: Task = "reconstruction"
    encoder: nn.Sequential
    decoder: nn.Sequential

    def encode(self, images_NCHW: Tensor) -> Tensor:
        """Latents (N, D) of images (N, C, H, W)."""
        latents_ND: Tensor = self.encoder(images_NCHW)
        return latents_ND

    def decode(self, latents_ND: Tensor) -> Tensor:
        """Images (N, C, H, W) of latents (N, D)."""
        images_NCHW: Tensor = self.decoder(latents_ND)
        return images_NCHW

    def fast_decoder(self) -> Callable[[Tensor], Tensor]:
        """The decoder with its affine layers put together (`folding.py`)."""
        return folded(self.decoder, self.latent_dim)


def initialise(module: nn.Module) -> None:
    """Xavier-uniform weights; biases 0 in convolutions and 0.01 in linear layers (for `Module.apply`)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.constant_(module.bias, 0.01 if isinstance(module, nn.Linear) else 0.0)
