"""Relative representations, there and back: a zero-shot mapping through angles to anchors.

The samples are anchors a_i of the source and b_i of the target: the same images. A latent z is represented by its
cosines with the source's anchors [1],

    r(z)_i = â_iᵀ z / ||z||,   â_i = a_i / ||a_i||                                     (1)

If both models place images at the same angles to each other, r(z) are also the cosines of the wanted target
latent with the target's anchors. The direction that has these cosines, by least squares (of least norm), is ŷ =
B̂⁺ r(z) [2], where B̂ (N, E) has the rows b̂_i = b_i / ||b_i||. Lengths are lost in (1), so all get the mean
length of the target's anchors:

    T(z) = s B̂⁺ Â z / ||z||,   s = mean ||b_i||                                        (2)

Angles are taken about the origin, which spaces that differ by a shift do not share. `centred` takes them about the
mean of the anchors, m1 of the a_i and m2 of the b_i, with â_i, b̂_i and s of a_i - m1 and b_i - m2:

    T(z) = m2 + s B̂⁺ Â (z - m1) / ||z - m1||                                           (3)

(2) is linear but for the division by ||z||, so the numbers are M = s B̂⁺ Â (E, D) and the means, which are 0 where
nothing is centred; ŷ is not normalised, and is shorter than 1 where the two spaces disagree. About as many anchors
as target dimensions make B̂⁺ large and the mapping bad, centred ones (of one rank less) above all; take several
times as many. Singular values below ε max(N, E) times the largest count as zero. A latent of length 0 has no
direction and is mapped to 0, or to m2.

[1] Moschella, Maiorca, Fumero, Norelli, Locatello, Rodolà: Relative representations enable zero-shot latent space
    communication. ICLR, 2023.
[2] Maiorca, Moschella, Fumero, Locatello, Rodolà: Latent space translation via inverse relative projection.
    arXiv:2406.15057, 2024.

Shapes: N anchors, D source dimensions, E target dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from framework.mappings.base import Mapping, Method
from framework.mappings.latents import Array
from framework.mappings.offsets import in_two, less, plus


class RelativeMapping(Mapping):
    """z → M (z - m1) / ||z - m1|| + m2, with M (E, D). Not linear: the length of z - m1 plays no part."""

    kind = "relative"
    weight: Tensor
    source_mean: Tensor
    target_mean: Tensor

    def __init__(self, source_dim: int, target_dim: int) -> None:
        super().__init__(source_dim, target_dim)
        self.register_buffer("weight", torch.zeros(target_dim, source_dim))
        self.register_buffer("source_mean", torch.zeros(2, source_dim))
        self.register_buffer("target_mean", torch.zeros(2, target_dim))

    def forward(self, z_source_ND: Tensor) -> Tensor:
        """Equation (2) or (3) for each row, (N, E)."""
        directions_ND = nn.functional.normalize(less(z_source_ND, self.source_mean), dim=1)
        return plus(nn.functional.linear(directions_ND, self.weight.to(z_source_ND.dtype)), self.target_mean)


@dataclass(frozen=True, kw_only=True)
class Relative(Method):
    """`Relative(centred=True).fit(z_source, z_target)`: the samples are the anchors, all that is learnt from."""

    mapping = RelativeMapping
    uses_ridge = False

    centred: bool = False

    def _fit_pair(self, z_ND: Array, y_NE: Array, ridges: Sequence[float]) -> list[Mapping]:
        mapping = RelativeMapping(z_ND.shape[1], y_NE.shape[1])
        if self.centred:
            mean_D, mean_E = z_ND.mean(axis=0), y_NE.mean(axis=0)
            mapping.source_mean.copy_(in_two(mean_D))
            mapping.target_mean.copy_(in_two(mean_E))
            z_ND, y_NE = z_ND - mean_D, y_NE - mean_E
        lengths_N = np.linalg.norm(y_NE, axis=1)
        back_ED = np.linalg.lstsq(_directions(y_NE), _directions(z_ND), rcond=None)[0]
        mapping.weight.copy_(torch.from_numpy(lengths_N.mean() * back_ED))
        return [mapping for _ in ridges]


def _directions(z_ND: Array) -> Array:
    """Each row divided by its length; a row of length 0 stays."""
    lengths_N1 = np.linalg.norm(z_ND, axis=1, keepdims=True)
    return z_ND / np.where(lengths_N1 > 0, lengths_N1, 1.0)
