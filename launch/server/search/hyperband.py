"""Hyperband's early stopping, by the rule of W&B's open engine (`sweeps` 0.3.0).

Runs are compared at bands: numbers of iterations, where an iteration is a row of history that holds the metric.
At the last band that a run has reached, it goes on only if it is among the best 1/eta of all runs that have
reached it. Reference: Li et al., Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization, JMLR 18
(2018). Unlike in the paper's successive halving no run waits for others, so the first ones are compared with few.

Values are losses here: lower is better. This module knows neither runs nor the database.
"""

from dataclasses import dataclass
from functools import cached_property

MOST_BANDS = 100
LAST_BAND = 2**53


@dataclass(frozen=True)
class Hyperband:
    """The settings, named as in W&B's schema. With both `max_iter` and `min_iter`, `max_iter` decides.

    `strict`: a run is judged by its value at the band; otherwise by its best value so far, which stops fewer.
    """

    min_iter: int | None = None
    max_iter: int | None = None
    s: int | None = None
    eta: float = 3
    strict: bool = True

    @cached_property
    def bands(self) -> tuple[int, ...]:
        """The bands, lowest first: max_iter / eta^i for i = 1 … s, or min_iter · eta^i for i = 0, 1, …"""
        found: list[int] = []
        if self.max_iter is not None:
            band = float(self.max_iter)
            for _ in range(min(self.s or 0, MOST_BANDS)):
                band /= self.eta
                if band < 1:
                    break
                found.append(int(band))
        else:
            band = float(self.min_iter or 1)
            while band < LAST_BAND and len(found) < MOST_BANDS:
                found.append(int(band))
                band *= self.eta
        return tuple(sorted(set(found)))

    def place(self, count: int) -> int:
        """The place that the last run to pass has among `count` sorted losses, counted from 0."""
        return int(1.0 / self.eta * count)

    def reached(self, count: int) -> int | None:
        """The last band at or below a number of iterations; None if there is none yet."""
        return max((band for band in self.bands if band <= count), default=None)
