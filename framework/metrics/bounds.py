"""Measures of complexity from the size of a perturbation that the loss bears, and the bounds that they give.

Of n weights θ, of which δ = θ - θ0 is the way from the initial weights (or δ = θ, from the origin), of m train
images, of a bound that may fail with probability p ("delta"), and of a sigma found by search,

    flatness      1 / σ²                                                                                        (1)
    worst case    ||δ||² log(2n/p) / σ² + log(m/p) + 10                                                         (2)
    average case  ||δ||² / (2σ²) + log(m/p) + 10                                                                (3)
    scaled        ½ Σ_i log[(ε² + (σ² + a) ||δ||²/n) / (ε² + σ² δ_i²)] + log(m/p) + 10                          (4)
                  a = 4 log(2n/p) in the worst case, a = 1 on average
    bound         sqrt(value / (2 (m - 1)))                                                                     (5)

(2)-(4) are sharpness, PAC-Bayes and their magnitude-aware forms of [1, appendix C], where (3) has ||δ||²/(4σ²) and
(4) a factor ¼ in some versions; with (5), ½ is the Kullback-Leibler divergence of two normal distributions. (2) is
(3) with σ / sqrt(2 log(2n/p)), below which the largest of n normal numbers stays with probability 1 - p.

[1] Jiang, Neyshabur, Mobahi, Krishnan and Bengio, "Fantastic generalization measures and where to find
them", 2020.

Shapes: P weights.
"""

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.metrics.metric import Metric
from framework.values import is_number

BOUND = Metric(
    name="bound",
    unit="none, a bound on the gap between train and test error",
    better="lower",
    reduction="one number for the network",
)

CONSTANT = 10.0  # of (2)-(4)

Case = Literal["worst", "average"]


@dataclass(frozen=True)
class Setting:
    """What (2)-(5) need to know beside weights: m (`num_images`), p (`delta`) and ε (`eps`).

    Raises:
        InvalidInput: fewer than two images, a delta outside (0, 1) or an eps that is not positive.
    """

    num_images: int
    delta: float = 0.05
    eps: float = 1e-3

    def __post_init__(self) -> None:
        problems = []
        if self.num_images < 2:
            problems.append(Problem("num_images", f"is {self.num_images}; a bound needs 2 train images or more"))
        if not (is_number(self.delta) and 0 < self.delta < 1):
            problems.append(Problem("delta", f"is {self.delta!r}; allowed: a probability in (0, 1)"))
        if not (is_number(self.eps) and self.eps > 0):
            problems.append(Problem("eps", f"is {self.eps!r}; allowed: a positive number"))
        if problems:
            raise InvalidInput(problems)


def flatness(sigma: float) -> float:
    """Equation (1).

    Raises:
        InvalidInput: sigma is not positive and finite.
    """
    return 1 / _checked(sigma) ** 2


def complexity(case: Case, sigma: float, offset_P: Tensor, setting: Setting) -> float:
    """Equation (2) or (3); `offset_P` is δ.

    Raises:
        InvalidInput: sigma is not positive and finite.
    """
    _checked(sigma)
    squared = float(offset_P.double().square().sum())
    factor = math.log(2 * offset_P.numel() / setting.delta) if case == "worst" else 0.5
    return factor * squared / sigma**2 + _rest(setting)


def scaled_complexity(case: Case, sigma: float, offset_P: Tensor, setting: Setting) -> float:
    """Equation (4); `offset_P` is δ.

    Raises:
        InvalidInput: sigma is not positive and finite.
    """
    _checked(sigma)
    squares_P = offset_P.double().square()
    added = 4 * math.log(2 * offset_P.numel() / setting.delta) if case == "worst" else 1.0
    eps = setting.eps**2
    mean = eps + (sigma**2 + added) * float(squares_P.mean())
    own_P = eps + sigma**2 * squares_P
    # The logarithm of a quotient of numbers near 1e-6 as a difference, so that it neither over- nor underflows.
    divergence = 0.5 * float((math.log(mean) - own_P.log()).sum())
    return divergence + _rest(setting)


def bound(value: float, setting: Setting) -> float:
    """Equation (5); NaN for a value below zero, which (2)-(4) do not give."""
    return math.sqrt(value / (2 * (setting.num_images - 1))) if value >= 0 else math.nan


def farther(weights_P: Tensor, initials_P: list[Tensor]) -> Tensor | None:
    """The initial weights at the larger squared distance from `weights_P`; None where there are none.

    A fused network has those of each parent; the farther ones give the larger, that is the safe, measure.
    """
    return max(initials_P, key=lambda initial_P: _squared_distance(weights_P, initial_P), default=None)


def _squared_distance(first_P: Tensor, second_P: Tensor) -> float:
    return float((first_P.double() - second_P.double()).square().sum())


def _rest(setting: Setting) -> float:
    return math.log(setting.num_images / setting.delta) + CONSTANT


def _checked(sigma: float) -> float:
    if not (is_number(sigma) and sigma > 0):
        raise InvalidInput([Problem("sigma", f"is {sigma!r}; allowed: a positive number")])
    return sigma
