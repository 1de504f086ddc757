"""Conditions on the values of a distribution's keys; each yields what is wrong, by key. Knows no distribution."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from framework.errors import Problem

Spec = Mapping[str, Any]
LARGEST_EXPONENT = 700.0
"""`exp` of more than about 709 is no finite number."""
SUM_TOLERANCE = 1e-6


def weight_problems(values: object, probabilities: object) -> Iterator[Problem]:
    """What is wrong with `probabilities`."""
    if not isinstance(probabilities, list) or not all(is_number(p) and p >= 0 for p in probabilities):
        yield Problem("probabilities", f"is {probabilities!r}; a list of numbers, none below 0, is needed")
    elif isinstance(values, list) and len(probabilities) != len(values):
        yield Problem("probabilities", f"has {len(probabilities)} numbers for {len(values)} values")
    elif abs(sum(probabilities) - 1) > SUM_TOLERANCE:
        yield Problem("probabilities", f"{probabilities} sum to {sum(probabilities):g}; they must sum to 1")


def ordered(spec: Spec) -> Iterator[Problem]:
    """`min` is below `max`."""
    if spec["min"] >= spec["max"]:
        yield Problem("min", f"is {spec['min']!r}; it must be below `max`, which is {spec['max']!r}")
    yield from positive(spec, "q")


def positive_range(spec: Spec) -> Iterator[Problem]:
    """As `ordered`, above 0."""
    if spec["min"] <= 0:
        yield Problem("min", f"is {spec['min']!r}; the logarithm of the bounds is taken: it must be above 0")
    yield from ordered(spec)


def exponents(spec: Spec) -> Iterator[Problem]:
    """As `ordered`, and e to their power is a number."""
    for key in ("min", "max"):
        if abs(spec[key]) > LARGEST_EXPONENT:
            message = f"is {spec[key]!r}; it is an exponent of e: allowed up to ±{LARGEST_EXPONENT:g}"
            yield Problem(key, message)
    yield from ordered(spec)


def positive(spec: Spec, *keys: str) -> Iterator[Problem]:
    """The values under these keys are above 0, where they are given."""
    for key in keys:
        if key in spec and spec[key] <= 0:
            yield Problem(key, f"is {spec[key]!r}; it must be above 0")


def spread(spec: Spec) -> Iterator[Problem]:
    """`sigma` and `q` are above 0."""
    yield from positive(spec, "sigma", "q")


def log_spread(spec: Spec) -> Iterator[Problem]:
    """As `spread`, and exp of what is drawn is a number."""
    yield from spread(spec)
    if spec["mu"] + 8 * abs(spec["sigma"]) > LARGEST_EXPONENT:
        message = f"is {spec['mu']!r} and sigma {spec['sigma']!r}; exp(mu + 8 sigma) is too large for a number"
        yield Problem("mu", message)


def shapes(spec: Spec) -> Iterator[Problem]:
    """`a`, `b` and `q` are above 0."""
    yield from positive(spec, "a", "b", "q")


def is_number(value: object) -> bool:
    """Whether a value is a number to compute with: no bool, NaN or infinity, nothing near the largest float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e300 < value < 1e300


def reads_as_number(text: str) -> bool:
    """Whether a text means a number: quoted, or written as YAML 1.1 does not read one (1e-3 for 1.0e-3)."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
