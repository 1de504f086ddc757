"""The principal angles between the spaces that the features of two arrays span, beside those of unrelated arrays.

    cos θ_i = ρ_i,   ρ = singular values of Uxᵀ Uy,   X = Ux Sx Vxᵀ centred                 [1, section 6.4.3]  (1)
    mean over permutations of the rows of Σ_i cos² θ_i = R S / (n-1)                                            (2)

(2) is exact, for a projection Ux Uxᵀ whose rows and columns are shuffled is R / (n-1) (I - 11ᵀ/n) on average.
Unrelated arrays of n = 360 samples and d = 90 features have angles of about 60°, not 90°, and of more features
than samples they have angles of 0.

[1] Golub and Van Loan, "Matrix computations", 4th edition, 2013.

Shapes: N samples, D and E features, R and S directions, C the fewer of them.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from framework.metrics.metric import Metric
from framework.metrics.similarity.directions import cosines, directions
from framework.metrics.similarity.inputs import Rows, centred, two_arrays, warn_of_few
from framework.metrics.similarity.null import Similarity, of_values, orders
from framework.seeds import refuse_no_seed

ANGLE = Metric(
    name="angle",
    unit="radians, in [0, π/2]",
    better="lower",
    reduction="one number for all images and each pair of directions",
)

ACCURACY = 1e-6  # radians, of an angle near 0: the root of what rounding leaves of its cosine

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Angles:
    """The principal angles in radians, (C,), the smallest first, each beside its null. `float(…)` is their mean.

    Attributes:
        values: Equation (1).
        null_mean: Mean over the permutations of the angle of the same rank; NaN without any, as the next two.
        null_std: Standard deviation over the permutations.
        p: For each rank by itself, the share of permutations (and of these angles) with an angle as small.
        mean: The mean of all angles, with the null of this mean; NaN where an array is constant.
    """

    values: Array
    null_mean: Array
    null_std: Array
    p: Array
    mean: Similarity

    def __float__(self) -> float:
        """The mean angle."""
        return self.mean.value


def angles(x: Rows, y: Rows, *, null: int = 200, seed: int = 0) -> Angles:
    """Equation (1) of two arrays (N, …) with rows of the same samples, beside its permutation null.

    Angles are right to about 1e-7 rad: equal spaces have angles of that size rather than 0.

    Args:
        x: Of the first.
        y: Of the second.
        null: Permutations; 0 for none.
        seed: Of the permutations.

    Raises:
        InvalidInput: as `two_arrays`; fewer than 3 rows.
    """
    arrays = two_arrays(x, y, fewest=3, null=null)
    first, second = (directions(centred(rows)).basis for rows in arrays)
    n = len(first)
    warn_of_few("angles", n, max(first.shape[1], second.shape[1]))

    def found(order_N: Tensor | None) -> Array:
        radians: Array = cosines(first, second, order_N).acos().cpu().numpy()
        return radians

    refuse_no_seed(seed)
    values = found(None)
    drawn = orders(n, null if len(values) else 0, seed, first.device)
    rows = [found(order_N) for order_N in drawn]
    null_BC = np.array(rows) if rows else np.empty((0, len(values)))
    means = [_mean(row) for row in null_BC]
    mean = of_values(ANGLE, _mean(values), means, best=0.0, n=n, seed=seed, rounding=ACCURACY)
    if not len(null_BC):
        nothing = np.full(len(values), math.nan)
        return Angles(values, nothing, nothing, nothing, mean)
    p = (1 + (null_BC <= values + ACCURACY).sum(axis=0)) / (1 + len(null_BC))
    std = null_BC.std(axis=0, ddof=1) if len(null_BC) > 1 else np.full(len(values), math.nan)
    return Angles(values, null_BC.mean(axis=0), std, p, mean)


def expected_angle(n: int, first: int, second: int) -> float:
    """The angle of unrelated spaces of these dimensions among n samples, by (2): that of the mean cos², in rad."""
    if not (first and second):
        return math.nan
    return math.acos(math.sqrt(min(1.0, max(first, second) / max(1, n - 1))))


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else math.nan
