"""A vision transformer as a classifier: torchvision's layers and weights by their names, with random weights.

    encode   conv_proj: patches to tokens                                 (C, s, s) → (T, W)
             class token before them; encoder: layers, final norm                   → (1 + T, W)
             the class token                                                        → W
             Linear(W → D), where `latent_dim` is given                             → D
    decode   heads: Linear(W or D → K)                                              → logits

Dosovitskiy et al., "An image is worth 16x16 words", 2021. Grey images are repeated to three channels. The defaults
make a small one for images of 8 to 32 pixels; patch_size 16, hidden_dim 768, num_layers 12, num_heads 12 and
mlp_dim 3072 make torchvision's vit_b_16. With `latent_dim` null the state dicts of torchvision's VisionTransformer
fit.

Shapes: N images, C channels (1 or 3), s = H = W pixels a side, T = (s / patch_size)² patches, W = hidden_dim,
D latent dimensions, K classes.
"""

import torch
from torch import Tensor, nn

from framework.errors import ConfigError, Problem
from framework.models.base import Shape
from framework.models.classifier import Classifier, as_rgb, refuse_channels
from framework.models.config import ViT


class VisionTransformerClassifier(Classifier):
    """A vision transformer; its latents are the class token after the encoder's final norm, or a linear map of it.

    Raises:
        ConfigError: the images are not square, have other than 1 or 3 channels, or a side that `patch_size` does
            not divide.
    """

    conv_proj: nn.Conv2d
    encoder: nn.Module
    heads: nn.Sequential

    def __init__(self, config: ViT, input_shape: Shape, num_classes: int) -> None:
        refuse_channels("vit", input_shape)
        _, height, width = input_shape
        if height != width:
            message = f"is vit, which takes square images, not {input_shape}"
            raise ConfigError([Problem("model.kind", message)])
        if height % config.patch_size:
            divisors = ", ".join(str(size) for size in range(1, height + 1) if height % size == 0)
            message = (
                f"is {config.patch_size}, which does not divide a side of {height} pixels; allowed: {divisors}"
            )
            raise ConfigError([Problem("model.patch_size", message)])
        from torchvision.models import VisionTransformer  # type: ignore[import-untyped]

        super().__init__(config.latent_dim or config.hidden_dim, input_shape, num_classes)
        network = VisionTransformer(
            image_size=height,
            patch_size=config.patch_size,
            num_layers=config.num_layers,
            num_heads=config.num_heads,
            hidden_dim=config.hidden_dim,
            mlp_dim=config.mlp_dim,
            num_classes=num_classes,
        )
        self.class_token = network.class_token
        for name, layer in network.named_children():
            self.add_module(name, layer)
        self.bottleneck: nn.Module = nn.Identity()
        if config.latent_dim is not None:
            self.bottleneck = nn.Linear(config.hidden_dim, config.latent_dim)
            self.heads = nn.Sequential(nn.Linear(config.latent_dim, num_classes))

    def encode(self, images_NCHW: Tensor) -> Tensor:
        """Latents (N, D) of images (N, C, s, s)."""
        patches_NWT = self.conv_proj(as_rgb(images_NCHW, self.input_shape[0])).flatten(2)
        class_token_N1W = self.class_token.expand(images_NCHW.shape[0], -1, -1)
        tokens = self.encoder(torch.cat([class_token_N1W, patches_NWT.permute(0, 2, 1)], dim=1))
        latents_ND: Tensor = self.bottleneck(tokens[:, 0])
        return latents_ND

    def decode(self, latents_ND: Tensor) -> Tensor:
        """Logits (N, K) of latents (N, D)."""
        logits_NK: Tensor = self.heads(latents_ND)
        return logits_NK
