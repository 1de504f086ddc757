"""What a measure says of arrays that have nothing to do with one another: the permutation null.

The rows of x are shuffled against those of y, which leaves each array as it is and takes away what they share. Of
B such values s_b and the value s of the arrays as they are,

    p = (1 + #{b: s_b at least as similar as s}) / (1 + B)                                        [1]           (1)
    corrected = (s - mean s_b) / (best - mean s_b)                                                [2]           (2)

(1) is below a level with at most that probability where nothing is shared. (2) is 0 for what chance gives and 1
for what is the same. Rows must be exchangeable: samples, not the frames of a film.

[1] Phipson and Smyth, "Permutation p-values should never be zero", 2010, equation (2).
[2] Vinh, Epps and Bailey, "Information theoretic measures for clusterings comparison: variants, properties,
    normalization and correction for chance", 2010, equation (8).

Shapes: N samples.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from framework.metrics.metric import Metric
from framework.metrics.perturbation import generator
from framework.seeds import refuse_no_seed

STREAM = 7  # of the random numbers: no other measure may draw the same
ROUNDING = 1e-12  # values that differ by less are equal, of measures that are as exact as their arithmetic

Statistic = Callable[[Tensor | None], float]
"""A value of (x, y) with the rows of x in that order (N,); None leaves them as they are."""


@dataclass(frozen=True)
class Similarity:
    """How alike two arrays are, beside what their shuffled rows give. `float(…)` is the value.

    Attributes:
        metric: Name, unit and direction of the value.
        value: The measure; NaN where it is undefined.
        null_mean: Mean over the permutations; NaN without any, as the next four.
        null_std: Standard deviation over the permutations.
        p: Equation (1); it cannot be below 1 / (1 + permutations).
        corrected: Equation (2).
        permutations: How many there were.
        n: Rows.
        seed: Of the permutations.
    """

    metric: Metric
    value: float
    null_mean: float
    null_std: float
    p: float
    corrected: float
    permutations: int
    n: int
    seed: int

    def __float__(self) -> float:
        """The value."""
        return self.value

    def __str__(self) -> str:
        """In one line, as a person reads it."""
        null = f", null {self.null_mean:.3g} ± {self.null_std:.2g}, p = {self.p:.2g}" if self.permutations else ""
        return f"{self.metric.name} {self.value:.4g} (n = {self.n}{null})"


def orders(n: int, null: int, seed: int, device: torch.device) -> Iterator[Tensor]:
    """`null` permutations of the rows (N,), the same on every device."""
    numbers = generator(seed, STREAM)
    for _ in range(null):
        yield torch.randperm(n, generator=numbers).to(device)


def shuffled(matrix_NN: Tensor, order_N: Tensor) -> Tensor:
    """Rows and columns in that order. On a CPU numpy takes columns in half the time."""
    if matrix_NN.device.type == "cpu":
        order = order_N.numpy()
        return torch.from_numpy(matrix_NN.numpy()[order].take(order, axis=1))
    return matrix_NN.index_select(0, order_N).index_select(1, order_N)


def judged(
    metric: Metric,
    statistic: Statistic,
    *,
    best: float,
    n: int,
    null: int,
    seed: int,
    device: torch.device,
    rounding: float = ROUNDING,
) -> Similarity:
    """The statistic beside its null. `best` is its value for equal arrays, `rounding` how far it is off."""
    refuse_no_seed(seed)
    value = statistic(None)
    values = [] if math.isnan(value) else [statistic(order_N) for order_N in orders(n, null, seed, device)]
    return of_values(metric, value, values, best=best, n=n, seed=seed, rounding=rounding)


def of_values(
    metric: Metric,
    value: float,
    values: list[float],
    *,
    best: float,
    n: int,
    seed: int,
    rounding: float = ROUNDING,
) -> Similarity:
    """Equations (1) and (2) of a value and those of the permutations."""
    if not values:
        return Similarity(metric, value, math.nan, math.nan, math.nan, math.nan, 0, n, seed)
    null_B = torch.tensor(values, dtype=torch.float64)
    sign = 1 if metric.better == "higher" else -1
    mean = float(null_B.mean())
    std = float(null_B.std()) if len(values) > 1 else math.nan
    p = (1 + int((sign * null_B >= sign * value - rounding).sum())) / (1 + len(values))
    room = best - mean
    corrected = (value - mean) / room if abs(room) > rounding else math.nan
    return Similarity(metric, value, mean, std, p, corrected, len(values), n, seed)
