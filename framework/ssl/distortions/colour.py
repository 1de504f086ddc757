"""Colours of whole batches of images in [0, 1], each image with its own parameters, as torchvision computes them.

Shapes: N images, C channels (1 or 3), H x W pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from framework.ssl.distortions.rows import each, on_rows

LUMA = (0.2989, 0.587, 0.114)  # ITU-R 601-2, with the digits of torchvision
LEAST = 1e-30  # in place of a chroma of 0
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


def luma(images_NCHW: Tensor) -> Tensor:
    """The grey image, (N, 1, H, W)."""
    if images_NCHW.shape[1] == 1:
        return images_NCHW
    red, green, blue = (images_NCHW[:, channel, None] for channel in range(3))
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def grey(images_NCHW: Tensor) -> Tensor:
    """The grey image in every channel."""
    return luma(images_NCHW).expand_as(images_NCHW)


def jitter(images_NCHW: Tensor, factors_4N: Tensor, keys_4N: Tensor, used: Sequence[int]) -> Tensor:
    """Brightness, contrast and saturation by a factor, hue by a shift: those that are `used`, by ascending key.

    Each of the first three moves an image away from another: black, its grey mean, its grey image. So one
    operation a round does for all images what is due there, whatever it is. Hue comes before, between or after:
    where the smaller keys are so many.
    """
    blends = [kind for kind in used if kind != HUE]
    keys_RN, blends_RN = (
        torch.stack([values[kind] for kind in blends]) if blends else values[:0]
        for values in (keys_4N, factors_4N)
    )
    order_RN, before_hue_N = keys_RN.argsort(0), (keys_RN < keys_4N[HUE]).sum(0)
    for place in range(len(blends) + 1):
        if HUE in used:
            images_NCHW = on_rows(shift_hue, images_NCHW, before_hue_N == place, factors_4N[HUE])
        if place < len(blends):
            kinds_N = torch.zeros_like(order_RN[place])
            for row, kind in enumerate(blends):
                kinds_N = kinds_N + kind * (order_RN[place] == row)
            factors_N = blends_RN.gather(0, order_RN[place : place + 1])[0]
            images_NCHW = _blend(images_NCHW, kinds_N, factors_N, set(blends))
    return images_NCHW


def _blend(images_NCHW: Tensor, kinds_N: Tensor, factors_N: Tensor, used: set[int]) -> Tensor:
    """factor · image + (1 - factor) · reference, clipped to [0, 1]."""
    factors = each(factors_N)
    if used == {BRIGHTNESS}:
        return (images_NCHW * factors).clamp_(0, 1)
    grey_N1HW = luma(images_NCHW)
    rest = each((1 - factors_N) * (kinds_N == CONTRAST)) * grey_N1HW.mean((1, 2, 3), keepdim=True)
    if SATURATION in used:
        rest = grey_N1HW * each((1 - factors_N) * (kinds_N == SATURATION)) + rest
    return (images_NCHW * factors).add_(rest).clamp_(0, 1)


def shift_hue(images_NCHW: Tensor, shifts_N: Tensor) -> Tensor:
    """Hue moved along its circle by a share of it; value and chroma stay.

    With r, g, b on [0, 1] from the least channel to the largest, the hue h in sixths of the circle is
    ±(1 - r + g + b), negative where g < b; and back, for h in [0, 6), r = |h - 3| - 1, g = 2 - |h - 2| and
    b = 2 - |h - 4|, clipped to [0, 1]. (HSV without its cases, which cost more than the arithmetic.)
    """
    red, green, blue = images_NCHW.unbind(1)
    low = torch.minimum(torch.minimum(red, green), blue)
    chroma = torch.maximum(torch.maximum(red, green), blue).sub_(low)
    scaled = (images_NCHW - low[:, None]).mul_(chroma.clamp(min=LEAST).reciprocal_()[:, None])
    red, green, blue = scaled.unbind(1)
    sixths = torch.copysign(1 - red + green + blue, green - blue).add_((6 * shifts_N)[:, None, None])
    sixths = sixths.sub_((sixths / 6).floor_(), alpha=6)
    parts = [
        (sixths - 3).abs_().sub_(1),
        (sixths - 2).abs_().neg_().add_(2),
        (sixths - 4).abs_().neg_().add_(2),
    ]
    return torch.stack([part.clamp_(0, 1).mul_(chroma).add_(low) for part in parts], dim=1)


def solarise(images_NCHW: Tensor, threshold: float) -> Tensor:
    """Intensities from the threshold on inverted."""
    return torch.where(images_NCHW >= threshold, 1 - images_NCHW, images_NCHW)


def posterise(images_NCHW: Tensor, bits: int) -> Tensor:
    """Intensities rounded down to so many bits."""
    levels = 1 << bits
    return (images_NCHW * levels).floor_().clamp_(0, levels - 1).mul_(1 / levels)
