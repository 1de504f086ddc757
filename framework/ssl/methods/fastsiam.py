"""FastSiam: SimSiam whose target is the mean of several other views, which makes it steadier with small batches.

With z_i and p_i of the views as in SimSiam, d its negative cosine (`simsiam.py`, equation (1)) and K views
[1, equation (4)]

    loss = 1/K Σ_i d(1/(K-1) Σ_{j≠i} stop(z_j), p_i)                                                         (1)

The mean of K - 1 views has less variance as a target than a single one. Here it is `strategy: fastsim` of
`framework/ssl/strategies.py`, with K = 4 views as in [1]; with two it is SimSiam. The mean is that of the
projections as they are, and their length is divided by in d alone. Heads, and where they depart, are SimSiam's;
batch normalisation is over each view by itself.

[1] Pototzky, Sultan and Schmidt-Thieme, "FastSiam: resource-efficient self-supervised learning on a single GPU",
    2022.

Shapes: K views, B images, F numbers of a projection.
"""

from framework.ssl.methods.simsiam import SimSiamMethod


class FastSiamMethod(SimSiamMethod):
    """FastSiam; see the module. Its config has the four views and the strategy."""
