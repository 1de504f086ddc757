"""Covariances over the cube views x batch x features: how much of the spread is redundant.

    Cov_axis_pairs = mean over the pairs of c(u, v)²,    c(u, v) = 1/(n-1) Σ_o (u_o - ū)(v_o - v̄)             (1)

for the axes and pairs of `slices.py`. `batch_ik_10` is the covariance term of VICReg up to a factor (its sum is
divided by F, here by F (F - 1), and here it is a mean over two views).

Shapes: V views, B images, F features.
"""

from framework.ssl.diagnostics.inputs import Numbers
from framework.ssl.diagnostics.slices import AXES, PAIRS, Axis, Pairs, all_counted, mean_over, vectors


def covariance(cube_VBF: Numbers, axis: Axis, pairs: Pairs, *, slices: int = 2) -> float:
    """Equation (1) of (V, B, F), for one axis and one kind of pairs.

    Raises:
        InvalidInput: as `slices.vectors`.
    """
    vectors_SEO = vectors(cube_VBF, axis, slices, "covariance")
    return mean_over(pairs, vectors_SEO, all_counted(vectors_SEO), lambda products: products.square())


def covariances(cube_VBF: Numbers, *, slices: int = 2) -> dict[str, float]:
    """All nine, by names as `Cov_batch_ik_10`.

    Raises:
        InvalidInput: as `covariance`.
    """
    return {
        f"Cov_{axis}_{pairs}": covariance(cube_VBF, axis, pairs, slices=slices) for axis in AXES for pairs in PAIRS
    }
