"""One distortion of a batch each, from its config and uniform numbers; `distorter` puts them together.

Shapes: N images, C channels, H x W pixels, K uniform numbers an image.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from framework.ssl.distortions import colour, drawing, geometry, local
from framework.ssl.distortions.config import (
    Blur,
    ColourJitter,
    Crop,
    Erase,
    Grey,
    HorizontalFlip,
    Noise,
    Posterise,
    Rotate,
    Rotate90,
    Solarise,
    VerticalFlip,
)  # fmt: skip
from framework.ssl.distortions.rows import on_rows

JITTERED = ("brightness", "contrast", "saturation", "hue")

# Uniform numbers that an image takes, beside the one that says whether a distortion is applied to it.
NUMBERS: dict[type, int] = {
    Crop: drawing.BOX_NUMBERS,
    Rotate: 1,
    Rotate90: 1,
    ColourJitter: 2 * len(JITTERED),
    Blur: 1,
    Erase: drawing.BOX_NUMBERS,
}


class Numbers:
    """Numbers (K, N) that are handed out from the first on."""

    def __init__(self, numbers_KN: Tensor) -> None:
        self.numbers, self.taken = numbers_KN, 0

    def take(self, count: int) -> Tensor:
        """The next, (count, N)."""
        self.taken += count
        return self.numbers[self.taken - count : self.taken]


def _flip(step: Any, images: Tensor, chosen_N: Tensor, _: Numbers) -> Tensor:
    nowhere = torch.zeros_like(chosen_N)
    both = (nowhere, chosen_N) if type(step) is HorizontalFlip else (chosen_N, nowhere)
    return geometry.flip(images, *both)


def _rotate(step: Rotate, images: Tensor, chosen_N: Tensor, numbers: Numbers) -> Tensor:
    degrees_N = drawing.between(numbers.take(1)[0], *step.degrees)
    return on_rows(lambda rows, d: geometry.rotate(rows, d, step.interpolation), images, chosen_N, degrees_N)


def _rotate_90(step: Rotate90, images: Tensor, chosen_N: Tensor, numbers: Numbers) -> Tensor:
    count = torch.full_like(chosen_N, len(step.turns), dtype=torch.float32)
    which_N = drawing.below(numbers.take(1)[0], count)
    turns_N = sum(turn * (which_N == place) for place, turn in enumerate(step.turns))
    return geometry.quarter_turns(images, turns_N * chosen_N)


def _jitter(step: ColourJitter, images: Tensor, chosen_N: Tensor, numbers: Numbers) -> Tensor:
    uniform_4N, keys_4N = numbers.take(4), numbers.take(4)
    used = [kind for kind, name in enumerate(JITTERED) if getattr(step, name)]
    factors = [drawing.factor(uniform_4N[kind], getattr(step, JITTERED[kind])) for kind in range(colour.HUE)]
    shift_N = drawing.between(uniform_4N[colour.HUE], -step.hue, step.hue)
    columns = torch.stack([*factors, shift_N, *keys_4N], dim=1)

    def jittered(rows: Tensor, columns_N8: Tensor) -> Tensor:
        return colour.jitter(rows, columns_N8[:, :4].T, columns_N8[:, 4:].T, used)

    return on_rows(jittered, images, chosen_N, columns)


def _blur(step: Blur, images: Tensor, chosen_N: Tensor, numbers: Numbers) -> Tensor:
    size = local.kernel_size(step.kernel_size, step.sigma[1], min(images.shape[2:]))
    sigmas_N = drawing.between(numbers.take(1)[0], *step.sigma)
    return on_rows(lambda rows, s: local.blur(rows, s, size), images, chosen_N, sigmas_N)


def _erase(step: Erase, images: Tensor, chosen_N: Tensor, numbers: Numbers) -> Tensor:
    boxes = drawing.erasures(numbers.take(drawing.BOX_NUMBERS), step.scale, step.ratio, *images.shape[2:])
    return on_rows(lambda rows, *b: local.erase(rows, b, step.value), images, chosen_N, *boxes)


def _grey(step: Grey, images: Tensor, chosen_N: Tensor, _: Numbers) -> Tensor:
    return on_rows(colour.grey, images, chosen_N)


def _solarise(step: Solarise, images: Tensor, chosen_N: Tensor, _: Numbers) -> Tensor:
    return on_rows(lambda rows: colour.solarise(rows, step.threshold), images, chosen_N)


def _posterise(step: Posterise, images: Tensor, chosen_N: Tensor, _: Numbers) -> Tensor:
    return on_rows(lambda rows: colour.posterise(rows, step.bits), images, chosen_N)


def add_noise(step: Noise, images: Tensor, chosen_N: Tensor, normal_NCHW: Tensor) -> Tensor:
    """The noise of normal numbers on the chosen images."""
    return on_rows(lambda rows, n: local.add_noise(rows, n, step.mean, step.sigma), images, chosen_N, normal_NCHW)


DO: dict[type, Callable[..., Tensor]] = {
    HorizontalFlip: _flip,
    VerticalFlip: _flip,
    Rotate: _rotate,
    Rotate90: _rotate_90,
    ColourJitter: _jitter,
    Grey: _grey,
    Blur: _blur,
    Erase: _erase,
    Solarise: _solarise,
    Posterise: _posterise,
}
