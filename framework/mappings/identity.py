"""The identity: the target's decoder reads the source's latents as they are. Nothing is fitted.

It is the zero-shot baseline in absolute coordinates: how far two spaces agree without any mapping.

Shapes: N samples, D source and as many target dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from framework.errors import Problem
from framework.mappings.base import Mapping, Method
from framework.mappings.latents import Array


class IdentityMapping(Mapping):
    """z → z. It has no numbers."""

    kind = "identity"

    @property
    def matrix(self) -> Tensor:
        """The unit matrix (D, D)."""
        return torch.eye(self.target_dim, self.source_dim)

    def forward(self, z_source_ND: Tensor) -> Tensor:
        """The same latents, (N, D)."""
        return z_source_ND


@dataclass(frozen=True, kw_only=True)
class Identity(Method):
    """`Identity().fit(z_source, z_target)`: looks at the latents only to refuse those that cannot be used."""

    mapping = IdentityMapping
    uses_ridge = False

    @classmethod
    def size_problems(cls, source_dim: int, target_dim: int) -> list[Problem]:
        """It needs as many target as source dimensions."""
        if source_dim == target_dim:
            return []
        message = (
            f"has {target_dim} dimensions where z_source has {source_dim}; the identity needs as many: "
            "use linear or affine"
        )
        return [Problem("z_target", message)]

    def _fit_pair(self, z_ND: Array, y_NE: Array, ridges: Sequence[float]) -> list[Mapping]:
        return [IdentityMapping(z_ND.shape[1], y_NE.shape[1]) for _ in ridges]
