"""Correlations over the cube views x batch x features: redundancy, whatever the scale.

    Cor_axis_pairs = mean over the pairs of |r(u, v)|,    r(u, v) = c(u, v) / √(c(u, u) c(v, v))               (1)

for the axes and pairs of `slices.py`, with the covariance c of `covariance.py`. `batch_ik_01` is what Barlow Twins
brings to 1, and `batch_ik_00` what it brings to 0. Vectors that are constant have no correlation and are left out;
where no pair is left, as in a network that has collapsed, the mean is NaN. Over two views every r is 1 or -1, so
that the means of `view_jk` are 1.

Shapes: V views, B images, F features; S slices, E entries, O observations.
"""

import torch
from torch import Tensor

from framework.ssl.diagnostics.inputs import SAME, Numbers, cube_of
from framework.ssl.diagnostics.slices import AXES, ORDER, PAIRS, Axis, Pairs, mean_over, vectors


def correlation(cube_VBF: Numbers, axis: Axis, pairs: Pairs, *, slices: int = 2) -> float:
    """Equation (1) of (V, B, F), for one axis and one kind of pairs; NaN where no pair varies.

    Raises:
        InvalidInput: as `slices.vectors`.
    """
    vectors_SEO = vectors(cube_VBF, axis, slices, "correlation")
    lengths_SE = vectors_SEO.norm(dim=2)
    varying_SE = lengths_SE > SAME * _largest(cube_VBF, axis, slices)
    unit_SEO = vectors_SEO / torch.where(varying_SE, lengths_SE, torch.ones_like(lengths_SE))[:, :, None]
    return mean_over(pairs, unit_SEO, varying_SE, lambda products: products.abs())


def correlations(cube_VBF: Numbers, *, slices: int = 2) -> dict[str, float]:
    """All nine, by names as `Cor_batch_ik_10`.

    Raises:
        InvalidInput: as `correlation`.
    """
    return {
        f"Cor_{axis}_{pairs}": correlation(cube_VBF, axis, pairs, slices=slices)
        for axis in AXES
        for pairs in PAIRS
    }


def _largest(cube_VBF: Numbers, axis: Axis, slices: int) -> Tensor:
    """The largest absolute value of each vector, (S, E): what is small beside it is rounding."""
    return cube_of(cube_VBF, "correlation").permute(*ORDER[axis])[:slices].abs().amax(dim=2)
