"""Numbers and arrays as a notebook gives them: what is one, and what is none."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt


def is_number(value: object, *, whole: bool = False) -> bool:
    """Whether this is a finite real number, or a whole one; true and false are none."""
    kinds = (int, np.integer) if whole else (int, float, np.number)
    return isinstance(value, kinds) and not isinstance(value, bool | np.complexfloating) and math.isfinite(value)


def real_array(values: Any) -> npt.NDArray[np.float64]:
    """`values` in double precision.

    Raises:
        TypeError, ValueError: they are no numbers, or complex ones, whose imaginary parts would be lost.
    """
    given = np.asarray(values)
    if given.dtype.kind not in "biufO":
        raise TypeError(f"{given.dtype} is no kind of real number")
    return np.asarray(given, dtype=np.float64)
