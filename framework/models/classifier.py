"""What every classifier is: images to latents, latents to logits. Knows no data and no training.

Shapes: N images, C channels, H x W pixels, D latent dimensions, K classes.
"""

from torch import Tensor

from framework.errors import ConfigError, Problem
from framework.models.base import Model, Shape, Task


class Classifier(Model):
    """Images (N, C, H, W) → latents (N, D) → logits (N, K), deterministic in eval mode."""

    task: Task = "classification"
    num_classes: int

    def __init__(self, latent_dim: int, input_shape: Shape, num_classes: int) -> None:
        super().__init__(latent_dim, input_shape)
        self.num_classes = num_classes


def refuse_channels(kind: str, input_shape: Shape) -> None:
    """Refuse images that are neither grey nor coloured.

    Raises:
        ConfigError: the images have other than 1 or 3 channels.
    """
    if input_shape[0] not in (1, 3):
        message = f"is {kind}, which takes images with 1 or 3 channels, not {input_shape}"
        raise ConfigError([Problem("model.kind", message)])


def as_rgb(images_NCHW: Tensor, channels: int) -> Tensor:
    """Images with three channels, (N, 3, H, W): a single one is repeated."""
    return images_NCHW.repeat(1, 3, 1, 1) if channels == 1 else images_NCHW
