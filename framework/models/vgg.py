"""VGG for small images: blocks of 3x3 convolutions with ReLU, a maximum over 2x2 after each, and one linear layer.

    encode   features: blocks of convolutions      (C, H, W) → (D, h, w)
             mean over the map that remains                  → D = 512 · width
    decode   classifier: Linear(D → K)                       → logits

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015, with one linear
layer in place of three, as is customary on CIFAR. Five maxima halve a side of 32 pixels to 1; where a side has
come to 1 before, the rest of them are left out.

Weights begin as PyTorch draws them where batch normalisation follows. Without it these lose more than half of the
signal at each layer, and a depth of 11 does not start to learn in hundreds of steps of gradient descent at 0.05.
The convolutions then begin as He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015, draw them (normal, by
fan-out, biases zero), which keeps the gradients' size.

Shapes: N images, C channels, H x W pixels, D latent dimensions, K classes.
"""

from torch import Tensor, nn

from framework.models.base import Shape
from framework.models.classifier import Classifier
from framework.models.config import VGG

CHANNELS = (64, 128, 256, 512, 512)  # by block
CONVOLUTIONS = {  # in each block, by depth
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


class VGGClassifier(Classifier):
    """VGG; its latents are the last block's channels, averaged over the map that remains."""

    channels_last = True

    def __init__(self, config: VGG, input_shape: Shape, num_classes: int) -> None:
        channels, *sides = input_shape
        layers: list[nn.Module] = []
        for count, full in zip(CONVOLUTIONS[config.depth], CHANNELS, strict=True):
            width = max(1, round(full * config.width))
            for _ in range(count):
                layers.append(nn.Conv2d(channels, width, 3, padding=1, bias=config.bias))
                layers += [nn.BatchNorm2d(width)] if config.batch_norm else []
                layers.append(nn.ReLU())
                channels = width
            if min(sides) > 1:
                layers.append(nn.MaxPool2d(2))
                sides = [side // 2 for side in sides]
        super().__init__(channels, input_shape, num_classes)
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, num_classes, bias=config.bias)
        if not config.batch_norm:
            self.features.apply(_keep_gradients)

    def encode(self, images_NCHW: Tensor) -> Tensor:
        """Latents (N, D) of images (N, C, H, W)."""
        latents_ND: Tensor = self.flatten(self.avgpool(self.features(images_NCHW)))
        return latents_ND

    def decode(self, latents_ND: Tensor) -> Tensor:
        """Logits (N, K) of latents (N, D)."""
        logits_NK: Tensor = self.classifier(latents_ND)
        return logits_NK


def _keep_gradients(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
