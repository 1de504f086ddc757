"""ResNet-18 as a classifier: torchvision's layers and weights by their names, with random weights.

    encode   conv1 bn1 relu maxpool layer1 … layer4 avgpool, flatten     (C, H, W) → 512
             Linear(512 → D), where `latent_dim` is given                          → D
    decode   fc: Linear(512 or D → K)                                              → logits

He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016. Grey images are repeated to three
channels. With `latent_dim` null it is torchvision's resnet18, and its state dicts fit.

Shapes: N images, C channels (1 or 3), H x W pixels, D latent dimensions, K classes.
"""

from torch import Tensor, nn

from framework.models.base import Shape
from framework.models.classifier import Classifier, as_rgb, refuse_channels
from framework.models.config import ResNet18

FEATURES = 512
ENCODER = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool")


class ResNetClassifier(Classifier):
    """ResNet-18; its latents are the pooled features, or a linear map of them.

    Raises:
        ConfigError: the images have other than 1 or 3 channels.
    """

    channels_last = True
    fc: nn.Linear

    def __init__(self, config: ResNet18, input_shape: Shape, num_classes: int) -> None:
        refuse_channels("resnet18", input_shape)
        from torchvision.models import resnet18  # type: ignore[import-untyped]

        super().__init__(config.latent_dim or FEATURES, input_shape, num_classes)
        for name, layer in resnet18(weights=None, num_classes=num_classes).named_children():
            self.add_module(name, layer)
        self.bottleneck: nn.Module = nn.Identity()
        if config.latent_dim is not None:
            self.bottleneck = nn.Linear(FEATURES, config.latent_dim)
            self.fc = nn.Linear(config.latent_dim, num_classes)

    def encode(self, images_NCHW: Tensor) -> Tensor:
        """Latents (N, D) of images (N, C, H, W)."""
        features = as_rgb(images_NCHW, self.input_shape[0])
        for name in ENCODER:
            features = self.get_submodule(name)(features)
        latents_ND: Tensor = self.bottleneck(features.flatten(1))
        return latents_ND

    def decode(self, latents_ND: Tensor) -> Tensor:
        """Logits (N, K) of latents (N, D)."""
        logits_NK: Tensor = self.fc(latents_ND)
        return logits_NK
