"""Images as a model takes them at test time: resized and centrally cropped, never at random.

The shorter side is brought to that of the model's images (bilinear, with antialiasing), and what is longer than
they are is cut off on both sides. Grey images become three equal channels, colours their luminance.

Shapes: N images, C channels, H x W pixels.
"""

from typing import Any

from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.models.base import Shape


def shape_taken(model: Any) -> Shape | None:
    """The shape (C, H, W) of the images that a model says it takes, if it does."""
    for holder in (model, getattr(model, "backbone", None)):
        shape = getattr(holder, "image_shape", None)
        if shape is not None:
            channels, height, width = shape
            return int(channels), int(height), int(width)
    return None


def fitted(images_NCHW: Tensor, shape: Shape) -> Tensor:
    """The images with the channels, height and width of `shape`; as they are where they have them.

    Raises:
        InvalidInput: they are no images, or have other channels than 1 or 3 where the model has others.
    """
    if images_NCHW.shape[1:] == shape:
        return images_NCHW
    if images_NCHW.ndim != 4:
        message = (
            f"have the shape {tuple(images_NCHW.shape)}; the model takes images (N, {', '.join(map(str, shape))})"
        )
        raise InvalidInput([Problem("images", message)])
    channels, height, width = shape
    return _resized(_coloured(images_NCHW, channels), height, width)


def _coloured(images_NCHW: Tensor, channels: int) -> Tensor:
    given = images_NCHW.shape[1]
    if given == channels:
        return images_NCHW
    if given == 1:
        return images_NCHW.expand(-1, channels, -1, -1)
    if (given, channels) == (3, 1):
        from torchvision.transforms.v2 import functional  # type: ignore[import-untyped]

        grey: Tensor = functional.rgb_to_grayscale(images_NCHW)
        return grey
    raise InvalidInput(
        [Problem("images", f"have {given} channels, and the model takes {channels}; allowed: 1 or 3")]
    )


def _resized(images_NCHW: Tensor, height: int, width: int) -> Tensor:
    from torchvision.transforms.v2 import functional

    tall, wide = images_NCHW.shape[2:]
    if (tall, wide) != (height, width):
        factor = max(height / tall, width / wide)
        size = [max(height, round(tall * factor)), max(width, round(wide * factor))]
        images_NCHW = functional.resize(images_NCHW, size, antialias=True)
    cut: Tensor = functional.center_crop(images_NCHW, [height, width])
    return cut
