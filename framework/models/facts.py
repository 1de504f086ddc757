"""What follows from the config of a model before it is built. Knows no tensor; a test compares both."""

from collections.abc import Iterator
from typing import Any

from framework.config import Config
from framework.errors import Problem
from framework.models.config import MLP, VGG, CIFARResNet, ResNet18, ViT

Shape = tuple[int, int, int]

CLASSIFIERS = ("resnet18", "vit", "mlp", "vgg", "cifar_resnet")
FEATURES = 512  # of a residual network or VGG of width 1
WIDTHS = {"hidden", "width", "latent_dim", "hidden_dim", "mlp_dim"}
"""Fields that change how wide the layers of a classifier are; others change which there are."""
WITHOUT_SHAPE = {"num_heads"}


def is_classifier(config: Config) -> bool:
    """Whether the model gives logits."""
    return getattr(config, "kind", None) in CLASSIFIERS


def latent_dim(config: Any, image_shape: Shape) -> int:
    """The size of the model's latent space for images of this shape (C, H, W)."""
    if config.kind not in CLASSIFIERS:
        return int(config.latent_dim)
    if isinstance(config, MLP):
        channels, height, width = image_shape
        return config.hidden[-1] if config.hidden else channels * height * width
    if isinstance(config, VGG | CIFARResNet):
        expansion = 4 if isinstance(config, CIFARResNet) and config.depth == 50 else 1
        return max(1, round(FEATURES * config.width)) * expansion
    if isinstance(config, ResNet18):
        return config.latent_dim or FEATURES
    return config.latent_dim or int(config.hidden_dim)


def image_problems(config: Config, image_shape: Shape) -> Iterator[Problem]:
    """What the architecture cannot do with images of this shape."""
    side = image_shape[1]
    if isinstance(config, ViT) and side % config.patch_size:
        divisors = ", ".join(str(size) for size in range(1, side + 1) if side % size == 0)
        message = f"is {config.patch_size}, which does not divide a side of {side} pixels; allowed: {divisors}"
        yield Problem("patch_size", message)


def differences(first: Config, second: Config) -> tuple[list[str], list[str]]:
    """The fields in which two classifiers of one kind differ: in widths alone, and in which layers they have."""
    widths: list[str] = []
    layers: list[str] = []
    for name in type(first).model_fields:
        mine, theirs = getattr(first, name), getattr(second, name)
        if mine == theirs or name in WITHOUT_SHAPE:
            continue
        as_many = not isinstance(mine, tuple) or len(mine) == len(theirs)
        both = (mine is None) == (theirs is None)
        (widths if name in WIDTHS and as_many and both else layers).append(name)
    return widths, layers
