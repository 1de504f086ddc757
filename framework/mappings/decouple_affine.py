"""The decoupled affine mapping: `decouple.py` with a bias each way.

    min  mean_i (||A1 z_i + b1 - y_i||² + ||A2 y_i + b2 - z_i||²) + λ mean_i ||A2 (A1 z_i + b1) + b2 - z_i||  (1)

over A1 (E, D), b1 (E,), A2 (D, E) and b2 (D,). The cycle error is a norm, not squared. The mapping is z → A1 z +
b1; `inverse` is y → A2 y + b2. (The original [1] added a bias of D entries to E dimensions.)

[1] latent-communication. Technical University of Munich, 2024. github.com/kaieberl/latent-communication.

Shapes: N samples, D source dimensions, E target dimensions, M new points.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from framework.mappings.base import AffineMapping, Mapping
from framework.mappings.decouple import Decouple
from framework.mappings.decouple_form import Maps


class DecoupleAffineMapping(AffineMapping):
    """z → A1 z + b1, with A1 (E, D) and b1 (E,), and y → A2 y + b2, with A2 (D, E) and b2 (D,)."""

    kind = "decouple_affine"
    inverse_weight: Tensor
    inverse_bias: Tensor

    def __init__(self, source_dim: int, target_dim: int) -> None:
        super().__init__(source_dim, target_dim)
        self.register_buffer("inverse_weight", torch.zeros(source_dim, target_dim))
        self.register_buffer("inverse_bias", torch.zeros(source_dim))

    def inverse(self, z_target_ME: Tensor) -> Tensor:
        """A2 y + b2 for each row: target latents (M, E) back in the source space, (M, D)."""
        return nn.functional.linear(z_target_ME, self.inverse_weight, self.inverse_bias)


@dataclass(frozen=True, kw_only=True)
class DecoupleAffine(Decouple):
    """`DecoupleAffine(ridge=0.1).fit(z_source, z_target)`. `ridge` is λ of (1), in units of a latent's length."""

    mapping: ClassVar[type[Mapping]] = DecoupleAffineMapping
    bias: ClassVar[bool] = True

    def _of(self, maps: Maps) -> Mapping:
        mapping = DecoupleAffineMapping.of(maps.a1, maps.b1)
        mapping.inverse_weight.copy_(torch.from_numpy(maps.a2))
        mapping.inverse_bias.copy_(torch.from_numpy(maps.b2))
        return mapping
