"""The functions that tasks learn, of one variable: x (N,) ⟶ y (N, D), in the precision of x.

compositeSine is g(s(x)) with the inner function s(x) = sin(-3πx) and seven outer functions g; a task that sees
some of its outputs can learn s, which all of them share:

    0  one kink    1 + 2(s - 0.4) where s < 0.4, else 1 - 3(s - 0.4)                                           (1)
    1  absolute    |s - 0.4| + 0.5                                                                             (2)
    2  squared     s² - 0.5                                                                                    (3)
    3  sign        1 where s > 0, else -1                                                                      (4)
    4  cubed       s³                                                                                          (5)
    5  sine        sin(πs)                                                                                     (6)
    6  exp         0.7357 eˢ - 1                                                                               (7)

`scaled_…` bring others to about [-1, 1] on [-1, 1]. Sources: Forrester, Sóbester and Keane, "Engineering design
via surrogate modelling", 2008 (appendix); Levy and Montalvo, "The tunneling algorithm for the global minimization
of functions", 1985, in one dimension.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

Scalar = Callable[[Tensor], Tensor]
KINK, INNER_FREQUENCY = 0.4, -3.0


def one_kink(x: Tensor) -> Tensor:
    """Equation (1)."""
    distance = x - KINK
    return torch.where(distance < 0, 1 + 2 * distance, 1 - 3 * distance)


def absolute(x: Tensor) -> Tensor:
    """Equation (2)."""
    return (x - KINK).abs() + 0.5


def squared(x: Tensor) -> Tensor:
    """Equation (3)."""
    return x**2 - 0.5


def negative_to_positive(x: Tensor) -> Tensor:
    """Equation (4)."""
    return 2 * (x > 0).to(x.dtype) - 1


def cubed(x: Tensor) -> Tensor:
    """Equation (5)."""
    return x**3


def sine(x: Tensor) -> Tensor:
    """Equation (6)."""
    return torch.sin(math.pi * x)


def exp(x: Tensor) -> Tensor:
    """Equation (7)."""
    return 0.7357 * torch.exp(x) - 1


def inner(x: Tensor) -> Tensor:
    """s(x), which the outputs of the composite sine share."""
    return torch.sin(INNER_FREQUENCY * math.pi * x)


def _scaled_one_kink(x: Tensor) -> Tensor:
    ends = one_kink(torch.tensor([-1.0, KINK, 1.0], dtype=x.dtype))
    low, high = ends.min(), ends.max()
    return (one_kink(x) - (low + high) / 2) * 2 / (high - low)


def _forrester(x: Tensor) -> Tensor:
    """(6u - 2)² sin(12u - 4) of u = (x + 1) / 2, its least value -6.02074 and its value at u = 1 to -1 and 1."""
    u = (x + 1) / 2
    least = 6.02074
    return ((6 * u - 2) ** 2 * torch.sin(12 * u - 4) + least) / (16 * math.sin(8) + least) * 2 - 1


def _levy(x: Tensor) -> Tensor:
    w = 1 + (x - 1) / 4
    return torch.sin(math.pi * w) ** 2 + (w - 1) ** 2 * (1 + torch.sin(2 * math.pi * w) ** 2)


def _scaled_levy(x: Tensor) -> Tensor:
    most = _levy(torch.tensor(-10.0, dtype=x.dtype))
    return (_levy(10 * x) - most / 2) * 2 / most


def _chirp(x: Tensor) -> Tensor:
    return torch.sin(torch.exp(2.7 * x) + 0.1) * ((x + 1) / 2).clamp(min=0) ** 0.9


def _chirp_trend(x: Tensor) -> Tensor:
    return (0.5 * _chirp(x) + 0.5 * x + 0.25 * (x + 1) ** 2 - 0.7324646) / 2.46492193 * 2


SCALARS: Mapping[str, Scalar] = MappingProxyType(
    {
        "sine": sine,
        "exp": exp,
        "negative_to_positive": negative_to_positive,
        "positive_to_negative": lambda x: 2 * (x < 0).to(x.dtype) - 1,
        "squared": squared,
        "scaled_squared": lambda x: 2 * squared(x),
        "cubed": cubed,
        "one_kink": one_kink,
        "scaled_one_kink": _scaled_one_kink,
        "absolute": absolute,
        "scaled_absolute": lambda x: (x - KINK).abs() * 2 / (1 + KINK) - 1,
        "fast_sine": lambda x: torch.sin(20 * x),
        "scaled_fast_sine_trend": lambda x: torch.sin(-5.5 * math.pi * x) / 5 + 4 * x / 5,
        "scaled_forrester": _forrester,
        "scaled_sine": inner,
        "chirp": _chirp,
        "scaled_chirp": lambda x: (_chirp(x) + 0.948031) / (0.990351 + 0.948031) * 2 - 1,
        "scaled_chirp_trend": _chirp_trend,
        "pole_sine": lambda x: torch.sin(10 / (x - 1.2)),
        "scaled_pole_sine_trend": lambda x: torch.sin(10 / (x - 1.21952)) / 4 - x / 4 - x**3 / 2,
        "scaled_levy": _scaled_levy,
    }
)
COMPOSITE: tuple[Scalar, ...] = (one_kink, absolute, squared, negative_to_positive, cubed, sine, exp)


def evaluate(name: str, x_N: Tensor) -> Tensor:
    """The values of a function at x (N,): y (N, D)."""
    if name == "composite_sine":
        s_N = inner(x_N)
        return torch.stack([outer(s_N) for outer in COMPOSITE], dim=1)
    if name == "kink_absolute_sine":
        return torch.stack([one_kink(x_N), absolute(x_N), sine(x_N)], dim=1)
    return SCALARS[name](x_N)[:, None]
