"""Relative representations, there and back: a zero-shot mapping through angles to anchors.

The samples are anchors a_i of the source and b_i of the target: the same images. A latent z is represented by its
cosines with the source's anchors [1],

    r(z)_i = â_iᵀ z / ||z||,   â_i = a_i / ||a_i||                                     (1)

If both models place images at the same angles to each other, r(z) are also the cosines of the wanted target
latent with the target's anchors. The direction that has these cosines, by least squares (of least norm), is ŷ =
B̂⁺ r(z) [2], where B̂ (N, E) has the rows b̂_i = b_i / ||b_i||. Lengths are lost in (1), so all get the mean
length of the target's anchors:

    T(z) = s B̂⁺ Â z / ||z||,   s = mean ||b_i||                                        (2)

Angles are taken about the origin: nothing is centred. (2) is linear but for the division by ||z||, so the numbers
are M = s B̂⁺ Â (E, D) alone; ŷ is not normalised, and is shorter than 1 where the two spaces disagree. About as
many anchors as target dimensions make B̂⁺ large and the mapping bad; take several times as many. Singular values
below ε max(N, E) times the largest count as zero. A latent of length 0 has no direction and is mapped to 0.

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


class RelativeMapping(Mapping):
    """z → M z / ||z||, with M (E, D). Not linear: the length of z plays no part."""

    kind = "relative"
    weight: Tensor

    def __init__(self, source_dim: int, target_dim: int) -> None:
        super().__init__(source_dim, target_dim)
        self.register_buffer("weight", torch.zeros(target_dim, source_dim))

    def forward(self, z_source_ND: Tensor) -> Tensor:
        """M z / ||z|| for each row, (N, E); 0 for z = 0."""
        return nn.functional.linear(nn.functional.normalize(z_source_ND, dim=1), self.weight.to(z_source_ND.dtype))


@dataclass(frozen=True, kw_only=True)
class Relative(Method):
    """`Relative().fit(z_source, z_target)`: the samples are the anchors, and nothing else is learnt from them."""

    mapping = RelativeMapping
    uses_ridge = False

    def _fit_pair(self, z_ND: Array, y_NE: Array, ridges: Sequence[float]) -> list[Mapping]:
        lengths_N = np.linalg.norm(y_NE, axis=1)
        back_ED = np.linalg.lstsq(_directions(y_NE), _directions(z_ND), rcond=None)[0]
        mapping = RelativeMapping(z_ND.shape[1], y_NE.shape[1])
        mapping.weight.copy_(torch.from_numpy(lengths_N.mean() * back_ED))
        return [mapping for _ in ridges]


def _directions(z_ND: Array) -> Array:
    """Each row divided by its length; a row of length 0 stays."""
    lengths_N1 = np.linalg.norm(z_ND, axis=1, keepdims=True)
    return z_ND / np.where(lengths_N1 > 0, lengths_N1, 1.0)
