"""Kendall's rank correlation with an interval by the bootstrap.

    τ_b = Σ_{i<j} s_ij t_ij / √(Σ_{i<j} s_ij² Σ_{i<j} t_ij²)                                                  (1)

    s_ij = sign(x_i - x_j), t_ij = sign(y_i - y_j)

(τ_b of [2]). Of a resample in which row i comes w_i times, each pair counts w_i w_j times, so that all resamples
are quadratic forms in w. The interval holds the middle 95 per cent of τ over resamples (the percentile interval of
[1]). Rows are resampled as if they were independent; where several belong together, take their mean before.

[1] Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1979.
[2] Kendall, "The treatment of ties in ranking problems", Biometrika 33, 1945.

Shapes: N rows, R resamples.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
LEVEL = 0.95
LEAST = 3


class Tau(NamedTuple):
    """τ_b, the ends of its interval, and the rows that it rests on; NaN where it is not defined."""

    tau: float
    low: float
    high: float
    n: int


def kendall(x_N: Sequence[float], y_N: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0) -> Tau:
    """Equation (1), of the rows in which both are finite numbers."""
    x, y = np.asarray(x_N, dtype=np.float64), np.asarray(y_N, dtype=np.float64)
    known = np.isfinite(x) & np.isfinite(y)
    x, y, count = x[known], y[known], int(known.sum())
    if count < LEAST:
        return Tau(float("nan"), float("nan"), float("nan"), count)
    signs = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    whole = _tau(np.ones((1, count)), *signs)[0]
    weights_RN = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    found = _tau(weights_RN.astype(np.float64), *signs)
    found = found[np.isfinite(found)]
    ends = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(found) else (float("nan"),) * 2
    return Tau(float(whole), float(ends[0]), float(ends[1]), count)


def _tau(
    weights_RN: npt.NDArray[np.float64], s_NN: npt.NDArray[np.float64], t_NN: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    agreeing, one, other = (
        ((weights_RN @ signs) * weights_RN).sum(1) for signs in (s_NN * t_NN, s_NN**2, t_NN**2)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(agreeing / np.sqrt(one * other))
