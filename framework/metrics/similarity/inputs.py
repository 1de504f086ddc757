"""What the measures of similarity take, what is wrong with what they cannot take, and when they are warned about.

Two arrays with a row for each sample, the same samples in the same order: numpy or torch, of any precision, on any
device. What a sample has beside its row (channels, height, width) is flattened. Every measure is invariant to a
scale, so each array is divided by its largest absolute value: neither huge nor tiny numbers overflow.

Shapes: N samples, D and E features.
"""

import warnings

import numpy.typing as npt
import torch
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.models.refusals import in_place_of_numbers
from framework.values import is_number, real_array

Rows = npt.ArrayLike | Tensor  # (N, …), a row for each sample

ENOUGH = 4  # samples for each feature, below which what chance alone gives is no longer small
MOST_ROWS = 20_000  # of measures that hold a number for each pair of samples: 3 GiB a matrix in float64
SAME = 1e-13  # features that vary by less than this, relative to the largest value, are constant


class FewSamples(UserWarning):
    """There are few samples for so many features: the value is to be held against its null."""


def two_arrays(x: Rows, y: Rows, *, fewest: int, most: int | None = None, null: int = 0) -> tuple[Tensor, Tensor]:
    """Both as float64 tensors (N, D) and (N, E) on the device of the first, the largest absolute value 1.

    Raises:
        InvalidInput: no arrays of numbers, NaN or infinite values, another number of rows, fewer than `fewest` or
            more than `most`, or a negative number of permutations; all problems together.
    """
    (first, problems), (second, more) = _array("x", x), _array("y", y)
    problems = [*problems, *more]
    if not problems and len(first) != len(second):
        problems.append(
            Problem("y", f"has {len(second)} rows where x has {len(first)}; they must be of one sample")
        )
    elif not problems and len(first) < fewest:
        problems.append(Problem("x", f"has {len(first)} rows; this measure needs {fewest} or more"))
    elif not problems and most is not None and len(first) > most:
        size = len(first) ** 2 * 8 / 2**30
        message = f"has {len(first)} rows, whose pairs take {size:.0f} GiB; take at most {most}, drawn at random"
        problems.append(Problem("x", message))
    if not (is_number(null, whole=True) and null >= 0):
        problems.append(Problem("null", f"is {null!r}; allowed: a number of permutations, 0 for none"))
    if problems:
        raise InvalidInput(problems, "similarity")
    return first, second.to(first.device)


def centred(rows_ND: Tensor) -> Tensor:
    """Less the mean of each feature; zeros where all features are constant."""
    centred_ND = rows_ND - rows_ND.mean(dim=0)
    same = float(centred_ND.abs().max()) <= SAME * float(rows_ND.abs().max())
    return torch.zeros_like(centred_ND) if same else centred_ND


def warn_of_few(measure: str, num_samples: int, num_features: int, *, stacklevel: int = 3) -> None:
    """The one warning of the suite: fewer than four samples for each feature."""
    if num_samples < ENOUGH * num_features:
        message = (
            f"{measure}: {num_samples} samples for {num_features} features, fewer than {ENOUGH} for each: arrays "
            "that have nothing to do with one another come out alike, or the value scatters. Compare it with its "
            "null (`null_mean`, `p`, `corrected`), take more samples, or fewer features"
        )
        warnings.warn(message, FewSamples, stacklevel=stacklevel)


def _array(name: str, values: Rows) -> tuple[Tensor, list[Problem]]:
    nothing = torch.empty(0, 0)
    if isinstance(values, Tensor):
        if values.is_complex():
            return nothing, [Problem(name, "is complex; allowed: real numbers")]
        told = in_place_of_numbers(values)
        if told is not None and values.layout == torch.strided:
            return nothing, [Problem(name, told)]
        # There is no double precision on Apple's GPUs.
        raw = values.detach().cpu() if values.device.type == "mps" else values.detach()
        array = (raw if raw.layout == torch.strided else raw.to_dense()).double()
    else:
        try:
            array = torch.from_numpy(real_array(values).copy())
        except (TypeError, ValueError):
            return nothing, [Problem(name, "is no array of real numbers; allowed: (samples, features)")]
    if array.ndim == 0 or 0 in array.shape:
        return nothing, [Problem(name, f"has the shape {tuple(array.shape)}; allowed: (samples, features), ≥ 1")]
    array = array.reshape(len(array), -1)
    finite_N = torch.isfinite(array).all(dim=1)
    if not bool(finite_N.all()):
        bad = int((~finite_N).sum())
        return nothing, [Problem(name, f"{bad} of {len(array)} rows hold NaN or infinite values; leave them out")]
    largest = float(array.abs().max())
    return array / largest if largest > 0 else array, []
