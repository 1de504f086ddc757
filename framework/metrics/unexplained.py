"""How much of the variance of one array another one leaves unexplained.

    unexplained = Σ_i ||ŷ_i - y_i||² / Σ_i ||y_i - ȳ||²,   ȳ = mean of y_i                                      (1)

0 for what is the same, 1 for the mean of y, and more for what is worse than that: 1 - R² of all columns together,
each by its variance (scikit-learn's r2_score with multioutput="variance_weighted"). It is of one unit for layers
of any scale and width.

Shapes: N samples, E dimensions.
"""

import math

from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.metrics.metric import Metric

UNEXPLAINED = Metric(
    name="variance_unexplained",
    unit="share of the variance, 0 or more",
    better="lower",
    reduction="sum of squares over samples and dimensions, over the sum about the mean of the samples",
)


def variance_unexplained(predicted: Tensor, y: Tensor) -> float:
    """Equation (1) of (N, E) beside (N, E), in double precision on the CPU; NaN where no column of `y` varies.

    Raises:
        InvalidInput: the two differ in shape, or are no rows of numbers.
    """
    if predicted.shape != y.shape or y.ndim != 2 or 0 in y.shape:
        message = f"has the shape {tuple(predicted.shape)} beside {tuple(y.shape)}; allowed: (N, E) and (N, E)"
        raise InvalidInput([Problem("predicted", message)], "variance_unexplained")
    predicted_NE, y_NE = (values.detach().cpu().double() for values in (predicted, y))
    about_mean = float((y_NE - y_NE.mean(dim=0)).square().sum())
    return float((predicted_NE - y_NE).square().sum()) / about_mean if about_mean else math.nan
