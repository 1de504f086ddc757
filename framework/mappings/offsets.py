"""Means that keep their digits: a number in two parts, each in single precision.

Latents can lie far from the origin and close together (a mean of 1,000, a spread of 0.0001). What is left of such
a latent less a mean that was rounded to single precision is mostly rounding. So a mean m is kept as

    m = high + low,   high = m rounded to single precision,   low = the rest                (1)

(Dekker: A floating-point technique for extending the available precision. Numerische Mathematik 18, 1971.) In
single precision z - high is exact where z is near m, and no device needs to have double precision.

Shapes: N latents, D dimensions.
"""

import numpy as np
import torch
from torch import Tensor

from framework.mappings.latents import Array


def in_two(values_D: Array) -> Tensor:
    """Both parts of (1), (2, D)."""
    high_D = values_D.astype(np.float32)
    return torch.from_numpy(np.stack([high_D, (values_D - high_D).astype(np.float32)]))


def less(z_ND: Tensor, mean_2D: Tensor) -> Tensor:
    """z - m for each row."""
    high_D, low_D = mean_2D.to(z_ND.dtype).unbind()
    return (z_ND - high_D) - low_D


def plus(z_ND: Tensor, mean_2D: Tensor) -> Tensor:
    """z + m for each row."""
    high_D, low_D = mean_2D.to(z_ND.dtype).unbind()
    return (z_ND + low_D) + high_D


def whole(mean_2D: Tensor) -> Tensor:
    """m, (D,), float64."""
    return mean_2D.cpu().double().sum(0)
