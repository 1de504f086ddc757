"""W&B's distributions: which keys each takes, what is wrong with their values, and how a value is drawn.

A sampler draws a coordinate, a number in an interval; `Axis.value` makes the parameter's value of it. Where the
distribution is uniform on some scale, the coordinate lives on that scale; the others are drawn by their inverse
cumulative distribution function from the unit interval. Names, keys and defaults are those of W&B's sweep schema.
This module knows neither how coordinates are drawn nor where a parameter stands in a definition.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import NormalDist
from typing import Any, Literal

from framework.errors import Problem
from framework.search import bounds
from framework.search.bounds import Spec

TAIL = 1e-12
"""What the inverse distribution functions leave out at either end: normal values stay within 7 sigma."""
LARGEST_INTEGER = 2**53
"""Beyond it, a float does not tell an integer from the next."""


@dataclass(frozen=True)
class Axis:
    """One number to draw between `low` and `high`, and the value that it stands for.

    `kind`: any number, an integer (both ends included), or the index of one of several unordered choices.
    """

    kind: Literal["real", "integer", "choice"]
    low: float
    high: float
    value: Callable[[float], Any]


@dataclass(frozen=True)
class Family:
    """A distribution: its keys (None stands for one that must be given), extra conditions, and its axis."""

    keys: Mapping[str, float | None]
    check: Callable[[Spec], Iterator[Problem]]
    axis: Callable[[Spec], Axis]
    whole: bool = False


def choices(values: Sequence[Any]) -> Axis:
    """One of several values, each as likely as the others."""
    listed = list(values)
    return Axis("choice", 0, len(listed) - 1, lambda index: listed[int(index)])


def weighted(values: Sequence[Any], probabilities: Sequence[float]) -> Axis:
    """One of several values with a probability each: value k where the sum of the first k + 1 passes u."""
    listed, edges = list(values), list(accumulate(probabilities))
    last = max(index for index, probability in enumerate(probabilities) if probability > 0)
    return _unit(lambda u: listed[next((k for k, edge in enumerate(edges) if u < edge), last)])


def problems_of(name: str, spec: Spec) -> list[Problem]:
    """What is wrong with the keys of a numeric distribution; the keys of the problems are relative."""
    family = FAMILIES[name]
    found = []
    for key in sorted(spec.keys() - family.keys.keys() - BOUNDS - {"distribution"}, key=str):
        found.append(Problem(str(key), f"unknown key; {name} takes: {', '.join(family.keys)}"))
    for key, default in family.keys.items():
        value = spec.get(key, default)
        if key not in spec and default is None:
            found.append(Problem(key, f"is missing; {name} needs a number"))
        elif isinstance(value, str) and bounds.reads_as_number(value):
            found.append(
                Problem(key, f"is the text {value!r}, not a number: write {float(value)!r} without quotes")
            )
        elif not bounds.is_number(value):
            found.append(Problem(key, f"is {value!r}; {name} needs a finite number"))
        elif family.whole and not (isinstance(value, int) and abs(value) <= LARGEST_INTEGER):
            found.append(Problem(key, f"is {value!r}; {name} needs an integer, at most 2**53"))
    return found or list(family.check(filled(name, spec)))


def filled(name: str, spec: Spec) -> dict[str, Any]:
    """The parameters of a distribution, with the schema's defaults for what is left out."""
    return {key: spec.get(key, default) for key, default in FAMILIES[name].keys.items()}


def axis_of(name: str, spec: Spec) -> Axis:
    """The axis of a numeric distribution whose keys are right."""
    return FAMILIES[name].axis(filled(name, spec))


# --- axes ------------------------------------------------------------------------------------------------------


def _unit(value: Callable[[float], Any]) -> Axis:
    """An inverse cumulative distribution function, away from where it is infinite."""
    return Axis("real", 0.0, 1.0, lambda u: value(min(max(u, TAIL), 1 - TAIL)))


def _int_uniform(spec: Spec) -> Axis:
    return Axis("integer", spec["min"], spec["max"], int)


def _uniform(spec: Spec) -> Axis:
    return Axis("real", float(spec["min"]), float(spec["max"]), float)


def _log_uniform(spec: Spec) -> Axis:
    """log X is uniform between min and max."""
    return Axis("real", float(spec["min"]), float(spec["max"]), math.exp)


def _inv_log_uniform(spec: Spec) -> Axis:
    """log 1/X is uniform between min and max."""
    return Axis("real", -float(spec["max"]), -float(spec["min"]), math.exp)


def _log_uniform_values(spec: Spec) -> Axis:
    """log X is uniform between log min and log max; so is then log 1/X between -log max and -log min."""
    low, high = float(spec["min"]), float(spec["max"])
    return Axis("real", math.log(low), math.log(high), lambda x: min(max(math.exp(x), low), high))


def _normal(spec: Spec) -> Axis:
    mu, sigma = spec["mu"], spec["sigma"]
    return _unit(lambda u: mu + sigma * NormalDist().inv_cdf(u))


def _log_normal(spec: Spec) -> Axis:
    """log X is normal."""
    exponent = _normal(spec).value
    return Axis("real", 0.0, 1.0, lambda u: math.exp(exponent(u)))


def _beta(spec: Spec) -> Axis:
    def value(u: float) -> float:
        from scipy.special import betaincinv  # type: ignore[import-untyped]

        return float(betaincinv(spec["a"], spec["b"], u))

    return _unit(value)


def _quantised(axis: Callable[[Spec], Axis]) -> Callable[[Spec], Axis]:
    """round(X / q) q, an integer where `q` is one; 0.3, not 0.30000000000000004 as the product of floats is."""

    def quantised(spec: Spec) -> Axis:
        q, inner = spec["q"], axis(spec)

        def value(coordinate: float) -> float:
            steps = round(inner.value(coordinate) / q)
            return steps * q if isinstance(q, int) else float(f"{steps * q:.15g}")

        return Axis(inner.kind, inner.low, inner.high, value)

    return quantised


BOUNDS = frozenset({"min", "max"})
"""What a distribution without ends leaves alone, as W&B's engine does."""
_RANGE: Mapping[str, float | None] = {"min": None, "max": None}
_MOMENTS: Mapping[str, float | None] = {"mu": 0.0, "sigma": 1.0}
_SMOOTH = {
    "uniform": Family(_RANGE, bounds.ordered, _uniform),
    "log_uniform": Family(_RANGE, bounds.exponents, _log_uniform),
    "log_uniform_values": Family(_RANGE, bounds.positive_range, _log_uniform_values),
    "normal": Family(_MOMENTS, bounds.spread, _normal),
    "log_normal": Family(_MOMENTS, bounds.log_spread, _log_normal),
    "beta": Family({"a": 1.0, "b": 1.0}, bounds.shapes, _beta),
}
FAMILIES: Mapping[str, Family] = {
    "int_uniform": Family(_RANGE, bounds.ordered, _int_uniform, whole=True),
    **_SMOOTH,
    **{
        f"q_{name}": Family({**family.keys, "q": 1}, family.check, _quantised(family.axis))
        for name, family in _SMOOTH.items()
    },
    "inv_log_uniform": Family(_RANGE, bounds.exponents, _inv_log_uniform),
    "inv_log_uniform_values": Family(_RANGE, bounds.positive_range, _log_uniform_values),
}
"""The numeric distributions by name."""
