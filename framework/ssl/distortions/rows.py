"""Doing something to some images of a batch.

Shapes: N images, C channels, H x W pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def on_rows(function: Callable[..., Tensor], images_NCHW: Tensor, chosen_N: Tensor, *parameters: Tensor) -> Tensor:
    """`images_NCHW` with `function(images, *parameters)` in place of the chosen ones; it keeps the images' shape.

    On a CPU the chosen ones alone are computed, and written over what they were: the images given are lost. Under
    a compiler, and on devices that would have to wait to know how many they are, all are computed and the chosen
    ones taken. Parameters have a row for each image.
    """
    if torch.compiler.is_compiling() or images_NCHW.device.type != "cpu":
        return torch.where(chosen_N[:, None, None, None], function(images_NCHW, *parameters), images_NCHW)
    rows = chosen_N.nonzero().squeeze(1)
    if len(rows) == 0:
        return images_NCHW
    if len(rows) == len(images_NCHW):
        return function(images_NCHW, *parameters).contiguous()
    changed = function(images_NCHW.index_select(0, rows), *(values[rows] for values in parameters))
    return images_NCHW.index_copy_(0, rows, changed)


def each(values_N: Tensor) -> Tensor:
    """One number an image, (N,) → (N, 1, 1, 1)."""
    return values_N[:, None, None, None]
