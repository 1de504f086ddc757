"""What the diagnostics take, in double precision, and what is wrong with what they cannot take.

Shapes: V views, B images, F features; N rows, D features.
"""

import numpy.typing as npt
import torch
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.values import real_array

Numbers = npt.ArrayLike | Tensor

SAME = 1e-12
"""Numbers whose deviation is at most this share of the largest among them are constant."""


def cube_of(numbers: Numbers, where: str, *, views: int = 1, images: int = 1, features: int = 1) -> Tensor:
    """Projections or features of all views as a float64 tensor (V, B, F), with at least so many of each.

    Raises:
        InvalidInput: they are no real numbers, have other axes or too few entries, or hold NaN or infinite values.
    """
    cube = _doubles(numbers, where)
    if cube.ndim != 3 or any(
        size < least for size, least in zip(cube.shape, (views, images, features), strict=True)
    ):
        least = f"{views} or more views, {images} or more images, {features} or more features"
        message = f"has the shape {tuple(cube.shape)}; allowed: (views, images, features), {least}"
        raise InvalidInput([Problem("numbers", message)], where)
    _refuse_not_finite(cube, where)
    return cube


def rows_of(numbers: Numbers, where: str, *, fewest: int = 1) -> Tensor:
    """Features as a float64 tensor (N, D), with at least so many rows; a cube (V, B, F) has V · B of them.

    Raises:
        InvalidInput: as `cube_of`.
    """
    rows = _doubles(numbers, where)
    rows = rows.flatten(0, 1) if rows.ndim == 3 else rows
    if rows.ndim != 2 or len(rows) < fewest or 0 in rows.shape:
        message = f"has the shape {tuple(rows.shape)}; allowed: (rows, features), {fewest} or more rows"
        raise InvalidInput([Problem("numbers", message)], where)
    _refuse_not_finite(rows, where)
    return rows


def _doubles(numbers: Numbers, where: str) -> Tensor:
    if isinstance(numbers, Tensor) and not numbers.is_complex():
        # There is no double precision on Apple's GPUs.
        return (numbers.detach().cpu() if numbers.device.type == "mps" else numbers.detach()).double()
    try:
        return torch.from_numpy(real_array(numbers).copy())
    except (TypeError, ValueError) as error:
        raise InvalidInput([Problem("numbers", f"are no array of real numbers ({error})")], where) from error


def _refuse_not_finite(numbers: Tensor, where: str) -> None:
    bad = int((~torch.isfinite(numbers)).sum())
    if bad:
        message = f"{bad} of {numbers.numel()} are NaN or infinite; the model that gave them diverged"
        raise InvalidInput([Problem("numbers", message)], where)
