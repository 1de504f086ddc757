"""What every autoencoder is: encode, decode, and the shapes between them. Knows no data and no training.

Shapes: N images, C channels, H = W pixels a side, D latent dimensions.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Autoencoder(nn.Module, ABC):
    """Images (N, C, H, W) → latents (N, D) → images (N, C, H, W), deterministic in eval mode."""

    def __init__(self, latent_dim: int, input_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.input_shape = input_shape

    @abstractmethod
    def encode(self, images_NCHW: Tensor) -> Tensor:
        """Latents (N, D) of images (N, C, H, W)."""

    @abstractmethod
    def decode(self, latents_ND: Tensor) -> Tensor:
        """Images (N, C, H, W) of latents (N, D)."""

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Reconstructions (N, C, H, W) of images (N, C, H, W)."""
        return self.decode(self.encode(images_NCHW))


def initialise(module: nn.Module) -> None:
    """Xavier-uniform weights; biases 0 in convolutions and 0.01 in linear layers (for `Module.apply`)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.constant_(module.bias, 0.01 if isinstance(module, nn.Linear) else 0.0)
