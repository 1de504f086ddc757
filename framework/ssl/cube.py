"""The cube loss ("Magic_Cube" of AutoSSL): variances and covariances along each axis of views x batch x features.

With s_a the standard deviation along the axis a, √(var + ε) with n - 1 in the variance's denominator and ε =
1e-4:

    var_feature   Var_Fea_2dBV    mean over V, B of max(0, 1 - s_F)
    var_batch     VarBatch_2dFV   mean over V, F of max(0, 1 - s_B)    the variance term of VICReg, of all views
    var_view      VarView_2dBF    mean over B, F of s_V

With c(x) = 1/(n-1)³ Σ_{i≠j} (x_i - x̄)² (x_j - x̄)² of a vector x of n numbers, the squared entries off the
diagonal of its outer product with itself:

    cov_feature   CovFea_1dBV     mean over F of c of the feature's V · B numbers
    cov_batch     CovBatch_1dFV   mean over B of c of the image's V · F numbers
    cov_view      CovView_1dBF    minus the mean over V of c of the view's B · F numbers

The sum over i ≠ j is (Σ_i y_i²)² - Σ_i y_i⁴ with y = x - x̄, so that no matrix of n x n is made.

Shapes: V views, B images, F features of a projection.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from framework.errors import InvalidInput, Problem
from framework.ssl.parts import Cube

EPS = 1e-4


def _lacking(z_VBF: Tensor, axis: int) -> Tensor:
    """What standard deviations along an axis lack to 1, on average."""
    return (1 - _deviation(z_VBF, axis)).relu().mean()


def _deviation(z_VBF: Tensor, axis: int) -> Tensor:
    return (z_VBF.var(axis) + EPS).sqrt()


def _products(vectors_Kn: Tensor) -> Tensor:
    """The mean of c over K vectors of n numbers."""
    squares = (vectors_Kn - vectors_Kn.mean(1, keepdim=True)).square()
    different = squares.sum(1).square() - squares.square().sum(1)
    return (different / (vectors_Kn.shape[1] - 1) ** 3).mean()


TERMS: dict[str, Callable[[Tensor], Tensor]] = {
    "var_feature": lambda z_VBF: _lacking(z_VBF, 2),
    "var_batch": lambda z_VBF: _lacking(z_VBF, 1),
    "var_view": lambda z_VBF: _deviation(z_VBF, 0).mean(),
    "cov_feature": lambda z_VBF: _products(z_VBF.flatten(0, 1).T),
    "cov_batch": lambda z_VBF: _products(z_VBF.transpose(0, 1).flatten(1)),
    "cov_view": lambda z_VBF: -_products(z_VBF.flatten(1)),
}


class CubeLoss(nn.Module):
    """The weighted sum of the terms, alone or beside another loss."""

    def __init__(self, config: Cube) -> None:
        super().__init__()
        self.weights = config.weights

    def forward(self, z_VBF: Tensor) -> Tensor:
        """The loss, a number, of projections (V, B, F).

        Raises:
            InvalidInput: it has other than three axes, or one of them is shorter than 2.
        """
        if z_VBF.ndim != 3 or min(z_VBF.shape) < 2:
            message = f"has the shape {tuple(z_VBF.shape)}; allowed: (V, B, F), each 2 or more"
            raise InvalidInput([Problem("projections", message)])
        losses = [weight * TERMS[name](z_VBF) for name, weight in self.weights.items()]
        return torch.stack(losses).sum() if losses else z_VBF.new_zeros(())
