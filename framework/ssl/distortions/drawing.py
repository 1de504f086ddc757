"""From uniform numbers to the parameters of distortions, with the distributions of torchvision.transforms.v2.

Every function takes numbers on [0, 1) with an image in the last dimension. So the draws are made in one piece, and
what follows from them has a shape that is known beforehand.

Shapes: K numbers an image, N images.
"""

import math

import torch
from torch import Tensor

TRIES = 10
BOX_NUMBERS = 2 * TRIES + 2
Boxes = tuple[Tensor, Tensor, Tensor, Tensor]


def between(numbers: Tensor, low: float, high: float) -> Tensor:
    """Uniform on [low, high)."""
    return low + (high - low) * numbers


def below(numbers_N: Tensor, counts_N: Tensor) -> Tensor:
    """Whole numbers from 0 to below each count."""
    return torch.minimum((numbers_N * counts_N).floor(), counts_N - 1)


def factor(numbers_N: Tensor, strength: float) -> Tensor:
    """The factor of a colour jitter: uniform on [max(0, 1 - strength), 1 + strength]."""
    return between(numbers_N, max(0.0, 1.0 - strength), 1.0 + strength)


def crops(
    numbers_KN: Tensor, scale: tuple[float, float], ratio: tuple[float, float], height: int, width: int
) -> Boxes:
    """Top, left, height and width (N,) of a crop in whole pixels, as `RandomResizedCrop.make_params` draws them.

    Area and ratio are drawn up to ten times until the crop lies inside the image; else it is the largest central
    one that the ratio allows.
    """
    longs_TN, wides_TN = _sides(numbers_KN, scale, ratio, height * width)
    fits_TN = (longs_TN > 0) & (longs_TN <= height) & (wides_TN > 0) & (wides_TN <= width)
    long, wide, found = _first(longs_TN, fits_TN), _first(wides_TN, fits_TN), fits_TN.any(0)
    central_long, central_wide = _central(ratio, height, width)
    long = torch.where(found, long, central_long)
    wide = torch.where(found, wide, central_wide)
    top = torch.where(found, below(numbers_KN[-2], height - long + 1), (height - central_long) // 2)
    left = torch.where(found, below(numbers_KN[-1], width - wide + 1), (width - central_wide) // 2)
    return top, left, long, wide


def erasures(
    numbers_KN: Tensor, scale: tuple[float, float], ratio: tuple[float, float], height: int, width: int
) -> Boxes:
    """Top, left, height and width (N,) of a rectangle, as `RandomErasing.make_params` draws them.

    It is smaller than the image in both directions; where ten draws give none, its sides are 0. The ratio is that
    of height to width here.
    """
    wides_TN, longs_TN = _sides(numbers_KN, scale, ratio, height * width)
    fits_TN = (longs_TN < height) & (wides_TN < width)
    found = fits_TN.any(0)
    long, wide = _first(longs_TN, fits_TN) * found, _first(wides_TN, fits_TN) * found
    return below(numbers_KN[-2], height - long + 1), below(numbers_KN[-1], width - wide + 1), long, wide


def _sides(
    numbers_KN: Tensor, scale: tuple[float, float], ratio: tuple[float, float], area: int
) -> tuple[Tensor, Tensor]:
    """√(area / ratio) and √(area · ratio) in whole pixels, (tries, N)."""
    areas_TN = area * between(numbers_KN[:TRIES], *scale)
    ratios_TN = between(numbers_KN[TRIES : 2 * TRIES], math.log(ratio[0]), math.log(ratio[1])).exp()
    return (areas_TN / ratios_TN).sqrt().round(), (areas_TN * ratios_TN).sqrt().round()


def _first(values_TN: Tensor, fits_TN: Tensor) -> Tensor:
    """Of each image the value of the first try that fits; of the first one, where none does."""
    return values_TN.gather(0, fits_TN.to(torch.uint8).argmax(0, keepdim=True))[0]


def _central(ratio: tuple[float, float], height: int, width: int) -> tuple[int, int]:
    if width / height < ratio[0]:
        return max(1, round(width / ratio[0])), width
    if width / height > ratio[1]:
        return height, max(1, round(height * ratio[1]))
    return height, width
