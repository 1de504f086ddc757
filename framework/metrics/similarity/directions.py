"""The directions in which the rows of an array vary: its principal components, from the smaller of its products.

    X = U S Vᵀ,   Xᵀ X = V S² Vᵀ,   X Xᵀ = U S² Uᵀ                                                              (1)

The product of the smaller size is decomposed, (D, D) or (N, N); a direction with less than `RANK_CUTOFF` of the
largest variance counts as absent, for float32 of a lower rank than its size has 1e-14 there.

Shapes: N samples, D features, R directions.
"""

from typing import NamedTuple

import torch
from torch import Tensor

RANK_CUTOFF = 1e-10


class Directions(NamedTuple):
    """U (N, R) with orthonormal columns, S (R,) and Vᵀ (R, D) of equation (1), the largest first."""

    basis: Tensor
    sizes: Tensor
    axes: Tensor

    def first(self, count: int) -> "Directions":
        """The first `count` of them."""
        return Directions(self.basis[:, :count], self.sizes[:count], self.axes[:count])


def directions(centred_ND: Tensor) -> Directions:
    """Those of an array whose features are centred; none of one that is constant."""
    n, dim = centred_ND.shape
    wide = dim > n
    gram = centred_ND @ centred_ND.t() if wide else centred_ND.t() @ centred_ND
    variances, vectors = present(gram)
    sizes_R = variances.sqrt()
    if wide:
        return Directions(vectors, sizes_R, (centred_ND.t() @ vectors / sizes_R).t())
    return Directions(centred_ND @ vectors / sizes_R, sizes_R, vectors.t())


def present(gram_DD: Tensor) -> tuple[Tensor, Tensor]:
    """The eigenvalues (R,) of a symmetric matrix that are there, the largest first, and their vectors (D, R)."""
    variances_D, vectors_DD = torch.linalg.eigh(gram_DD)
    there_D = variances_D > max(RANK_CUTOFF * float(variances_D[-1]), 0.0)
    return variances_D[there_D].flip(0), vectors_DD[:, there_D].flip(1)


def cosines(first_NR: Tensor, second_NS: Tensor, order_N: Tensor | None = None) -> Tensor:
    """The canonical correlations of two orthonormal bases, the largest first; `first` in another order of rows."""
    first = first_NR if order_N is None else first_NR[order_N]
    correlations: Tensor = torch.linalg.svdvals(first.t() @ second_NS)
    return correlations.clamp(max=1)
