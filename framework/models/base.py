"""What every model is: an encoder and a decoder with latents between them. Knows no data and no training.

    images (N, C, H, W)  --encode-->  latents (N, D)  --decode-->  outputs

An autoencoder's outputs are images (N, C, H, W), a classifier's are logits (N, K). Whatever is between two models,
a mapping from the latents of one to those of the other, needs to know no more than this.

Shapes: N images, C channels, H x W pixels, D latent dimensions, K classes.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

from torch import Tensor, nn

Task = Literal["reconstruction", "classification"]
Shape = tuple[int, int, int]  # channels, height and width of one image


class Model(nn.Module, ABC):
    """A module in two parts, `decode(encode(images))`, deterministic in eval mode.

    `task` says what the outputs are; `num_classes` is None unless they are logits. `channels_last` says whether it
    trains faster on a CPU with the channels of its convolutions last in memory.
    """

    task: Task
    num_classes: int | None = None
    channels_last: ClassVar[bool] = False

    def __init__(self, latent_dim: int, input_shape: Shape) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.input_shape = input_shape

    @abstractmethod
    def encode(self, images_NCHW: Tensor) -> Tensor:
        """Latents (N, D) of images (N, C, H, W)."""

    @abstractmethod
    def decode(self, latents_ND: Tensor) -> Tensor:
        """Outputs of latents (N, D): images (N, C, H, W), or logits (N, K)."""

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """The outputs for images (N, C, H, W)."""
        return self.decode(self.encode(images_NCHW))

    def fast_decoder(self) -> Callable[[Tensor], Tensor]:
        """`decode` as it is in eval mode with the weights of now, in its fastest form; without gradients."""
        return copy.deepcopy(self).eval().requires_grad_(False).decode
