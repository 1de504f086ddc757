"""ResNet for small images: its first convolution keeps the image's size, and no maximum follows it.

    encode   conv1 bn1 relu                        (C, H, W) → (64 · width, H, W)
             layer1 … layer4, strides 1 2 2 2                → (D, H / 8, W / 8), rounded up
             avgpool, flatten                                → D = 512 · width, four times as many with depth 50
    decode   linear: Linear(D → K)                           → logits

He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016: the basic blocks of depths 18 and 34
and the bottlenecks of depth 50, with 3x3 in place of the 7x7 that fits 224 pixels. A block's shortcut is a 1x1
convolution where the stride or the number of channels asks for one, and the identity elsewhere. Layers and weights
have the names of the widespread kuangliu/pytorch-cifar; without batch normalisation an identity has its place.
Weights begin as PyTorch draws them, with or without normalisation: the shortcuts carry the signal to the end.

Shapes: N images, C channels, H x W pixels, D latent dimensions, K classes.
"""

from torch import Tensor, nn

from framework.models.base import Shape
from framework.models.classifier import Classifier
from framework.models.config import CIFARResNet

CHANNELS = (64, 128, 256, 512)  # by layer
STRIDES = (1, 2, 2, 2)
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}  # in each layer, by depth


class _Block(nn.Module):
    """What both blocks share: the shortcut, and how to make the layers."""

    expansion: int

    def __init__(self, inputs: int, channels: int, stride: int, batch_norm: bool) -> None:
        super().__init__()
        outputs = channels * self.expansion
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(_conv(inputs, outputs, 1, stride), _norm(outputs, batch_norm))


class BasicBlock(_Block):
    """relu(bn(conv 3x3)), bn(conv 3x3), the shortcut added, relu."""

    expansion = 1

    def __init__(self, inputs: int, channels: int, stride: int, batch_norm: bool) -> None:
        super().__init__(inputs, channels, stride, batch_norm)
        self.conv1, self.bn1 = _conv(inputs, channels, 3, stride), _norm(channels, batch_norm)
        self.relu1 = nn.ReLU()
        self.conv2, self.bn2 = _conv(channels, channels, 3, 1), _norm(channels, batch_norm)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """The features after the block."""
        out = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        features: Tensor = self.relu2(out + self.shortcut(x))
        return features


class Bottleneck(_Block):
    """relu(bn(conv 1x1)), relu(bn(conv 3x3)), bn(conv 1x1 to fourfold channels), the shortcut added, relu."""

    expansion = 4

    def __init__(self, inputs: int, channels: int, stride: int, batch_norm: bool) -> None:
        super().__init__(inputs, channels, stride, batch_norm)
        self.conv1, self.bn1 = _conv(inputs, channels, 1, 1), _norm(channels, batch_norm)
        self.relu1 = nn.ReLU()
        self.conv2, self.bn2 = _conv(channels, channels, 3, stride), _norm(channels, batch_norm)
        self.relu2 = nn.ReLU()
        self.conv3 = _conv(channels, channels * self.expansion, 1, 1)
        self.bn3 = _norm(channels * self.expansion, batch_norm)
        self.relu3 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """The features after the block."""
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(self.relu2(self.bn2(self.conv2(out)))))
        features: Tensor = self.relu3(out + self.shortcut(x))
        return features


def _conv(inputs: int, outputs: int, side: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, bias=False)


def _norm(channels: int, batch_norm: bool) -> nn.Module:
    return nn.BatchNorm2d(channels) if batch_norm else nn.Identity()


class CIFARResNetClassifier(Classifier):
    """ResNet for small images; its latents are the pooled features."""

    channels_last = True

    def __init__(self, config: CIFARResNet, input_shape: Shape, num_classes: int) -> None:
        block = Bottleneck if config.depth == 50 else BasicBlock
        widths = [max(1, round(full * config.width)) for full in CHANNELS]
        super().__init__(widths[-1] * block.expansion, input_shape, num_classes)
        inputs = widths[0]
        self.conv1, self.bn1 = _conv(input_shape[0], inputs, 3, 1), _norm(inputs, config.batch_norm)
        self.relu = nn.ReLU()
        layers = []
        for count, width, stride in zip(BLOCKS[config.depth], widths, STRIDES, strict=True):
            blocks = []
            for each in (stride, *[1] * (count - 1)):
                blocks.append(block(inputs, width, each, config.batch_norm))
                inputs = width * block.expansion
            layers.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(inputs, num_classes, bias=config.bias)

    def encode(self, images_NCHW: Tensor) -> Tensor:
        """Latents (N, D) of images (N, C, H, W)."""
        features = self.relu(self.bn1(self.conv1(images_NCHW)))
        features = self.layer4(self.layer3(self.layer2(self.layer1(features))))
        latents_ND: Tensor = self.flatten(self.avgpool(features))
        return latents_ND

    def decode(self, latents_ND: Tensor) -> Tensor:
        """Logits (N, K) of latents (N, D)."""
        logits_NK: Tensor = self.linear(latents_ND)
        return logits_NK
