"""FastSiam: SimSiam whose target is the mean of several other views, which makes it steadier with small batches.

Pototzky, Sultan and Schmidt-Thieme, "FastSiam: resource-efficient self-supervised learning on a single GPU",
2022, equation (4), with K = 4 views:

    loss       1/K Σ_i d(1/(K-1) Σ_{j≠i} z_j, p_i)         strategy `fastsim` in `framework/ssl/strategies.py`
    d(z, p)    - 1/B Σ_b cos(z_b, p_b)
    heads      as SimSiam's
    targets    the projections, without their gradient

With two views it is SimSiam. `batch normalisation` is over each view by itself.

Shapes: B images, F numbers of a projection.
"""

from framework.ssl.predictive import PredictiveMethod


class FastSiamMethod(PredictiveMethod):
    """FastSiam; see the module."""
