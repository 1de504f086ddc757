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
from framework.mappings.latents import Array
from framework.mappings.offsets import in_two, less, plus, whole


class DecoupleAffineMapping(AffineMapping):
    """z → A1 z + b1, A1 (E, D), and y → A2 y + b2, A2 (D, E), each kept about the mean of its inputs."""

    kind = "decouple_affine"
    inverse_weight: Tensor
    inverse_source_mean: Tensor
    inverse_target_mean: Tensor

    def __init__(self, source_dim: int, target_dim: int) -> None:
        super().__init__(source_dim, target_dim)
        self.register_buffer("inverse_weight", torch.zeros(source_dim, target_dim))
        self.register_buffer("inverse_source_mean", torch.zeros(2, target_dim))
        self.register_buffer("inverse_target_mean", torch.zeros(2, source_dim))

    @property
    def inverse_bias(self) -> Tensor:
        """b2, (D,)."""
        offset_D = self.inverse_weight.cpu().double() @ whole(self.inverse_source_mean)
        return (whole(self.inverse_target_mean) - offset_D).to(self.inverse_weight)

    def inverse(self, z_target_ME: Tensor) -> Tensor:
        """A2 y + b2 for each row: target latents (M, E) back in the source space, (M, D)."""
        centred_ME = less(z_target_ME, self.inverse_source_mean)
        mapped_MD = nn.functional.linear(centred_ME, self.inverse_weight.to(z_target_ME.dtype))
        return plus(mapped_MD, self.inverse_target_mean)


@dataclass(frozen=True, kw_only=True)
class DecoupleAffine(Decouple):
    """`DecoupleAffine(ridge=0.1).fit(z_source, z_target)`. `ridge` is λ of (1), in units of a latent's length."""

    mapping: ClassVar[type[Mapping]] = DecoupleAffineMapping
    bias: ClassVar[bool] = True

    def _of(self, maps: Maps, mean_D: Array, mean_E: Array) -> Mapping:
        mapping = DecoupleAffineMapping.of(maps.a1, maps.b1, mean_D)
        mapping.inverse_weight.copy_(torch.from_numpy(maps.a2))
        mapping.inverse_source_mean.copy_(in_two(mean_E))
        mapping.inverse_target_mean.copy_(in_two(maps.a2 @ mean_E + maps.b2))
        return mapping
