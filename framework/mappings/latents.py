"""Latents as a mapping takes them: what can be fitted, and what is wrong with what cannot.

Shapes: N samples, D source dimensions, E target dimensions.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.values import is_number, real_array

Array = npt.NDArray[np.float64]
Latents = npt.ArrayLike | Tensor  # anything of shape (N, D) or (N, E)

ROUNDINGS = 4  # of the largest value, within which latents are equal
SAME = ROUNDINGS * float(np.finfo(np.float32).eps)  # of those that come from single precision
RANGE = 1e18  # of the largest value, and of its reciprocal: the squares are within single precision


def rounding_of(values_ND: Array) -> Array:
    """Of the largest value, what may be rounding in each column (D,): of single precision if it holds them all."""
    single_D = (values_ND == values_ND.astype(np.float32)).all(axis=0)
    return np.where(single_D, SAME, ROUNDINGS * float(np.finfo(np.float64).eps))


def as_latents(name: str, values: Latents) -> Array:
    """`values` as a float64 array (N, D).

    Raises:
        InvalidInput: it is not two-dimensional, is empty, or holds NaN or infinite values; `name` is the key.
    """
    array, problems = _examined(name, values)
    if problems:
        raise InvalidInput(problems)
    return array


def as_numbers(name: str, values: Latents, dim: int) -> Array:
    """`values` as a float64 array (N, D) that a mapping of D dimensions takes; NaN stay NaN.

    Raises:
        InvalidInput: it is no array of numbers of this shape.
    """
    try:
        array = np.ascontiguousarray(real_array(values))
    except (TypeError, ValueError) as error:
        raise InvalidInput([Problem(name, "is no array of numbers; allowed: (samples, dimensions)")]) from error
    if array.ndim != 2 or array.shape[1] != dim:
        raise InvalidInput([Problem(name, f"has the shape {array.shape}; allowed: (samples, {dim})")])
    return array


def as_pair(z_source: Latents, z_target: Latents, prefix: str = "") -> tuple[Array, Array, list[Problem]]:
    """Both sides of a fit as float64 arrays (N, D) and (N, E), and everything that is wrong with them.

    Beside what `as_latents` refuses: different numbers of samples, and two or more samples that are all equal (to
    the precision that the numbers need), from which nothing can be learnt. `prefix` goes before the keys
    `z_source` and `z_target`.
    """
    source, target = f"{prefix}z_source", f"{prefix}z_target"
    z_ND, problems = _examined(source, z_source)
    y_NE, more = _examined(target, z_target)
    if not problems and not more and len(z_ND) != len(y_NE):
        more = [Problem(target, f"has {len(y_NE)} samples where {source} has {len(z_ND)}; they must be pairs")]
    return z_ND, y_NE, [*problems, *_collapse(source, z_ND), *more, *_collapse(target, y_NE)]


def ridge_problems(ridges: Sequence[float]) -> list[Problem]:
    """What is wrong with values of λ: there must be one or more, finite and not negative."""
    if isinstance(ridges, str):
        return [Problem("ridge", f"is {ridges!r}; allowed: finite numbers ≥ 0, one or more")]
    if not len(ridges):
        return [Problem("ridge", "no value is given; allowed: one or more numbers ≥ 0")]
    numbers = (int, float, np.number)
    shown = [float(r) if isinstance(r, numbers) and not isinstance(r, bool) else r for r in ridges]
    wrong = [ridge for ridge in shown if not (is_number(ridge) and ridge >= 0)]
    return [Problem("ridge", f"is {wrong}; allowed: finite numbers ≥ 0")] if wrong else []


def _examined(name: str, values: Latents) -> tuple[Array, list[Problem]]:
    try:
        array = real_array(_raw(values))
    except (TypeError, ValueError):
        message = "is no array of real numbers; allowed: (samples, dimensions)"
        return np.empty((0, 0)), [Problem(name, message)]
    if array.ndim != 2 or 0 in array.shape:
        return array, [Problem(name, f"has the shape {array.shape}; allowed: (samples, dimensions), ≥ 1")]
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).any(axis=1).sum())
        message = f"{bad} of {len(array)} samples hold NaN or infinite values: has the encoder diverged?"
        return array, [Problem(name, message)]
    largest = float(np.abs(array).max())
    if largest and not 1 / RANGE <= largest <= RANGE:
        message = (
            f"has {largest:.3g} as its largest value; allowed: {1 / RANGE:g} to {RANGE:g}, beyond which squares "
            "leave single precision; divide the latents by it"
        )
        return array, [Problem(name, message)]
    return array, []


def _raw(values: Latents) -> Any:
    if not isinstance(values, Tensor):
        return values
    held = values.detach().cpu()
    return held.double().numpy() if held.is_floating_point() else held.numpy()


def _collapse(name: str, array: Array) -> list[Problem]:
    if array.ndim != 2 or len(array) < 2 or not (np.abs(array) <= RANGE).all():  # NaN too
        return []
    held = np.float32 if np.array_equal(array, array.astype(np.float32)) else np.float64
    if np.ptp(array, axis=0).max(initial=0) > ROUNDINGS * np.finfo(held).eps * np.abs(array).max(initial=0):
        return []
    return [Problem(name, f"all {len(array)} samples are equal: has the encoder collapsed? Look at its training")]
