"""The decoupled mappings: a map and its way back, fitted together so that there and back again is near.

For samples z_i of the source and y_i of the target, and λ ≥ 0,

    min  mean_i (||A1 z_i - y_i||² + ||A2 y_i - z_i||²) + λ mean_i ||A2 A1 z_i - z_i||          (1)

over A1 (E, D) and A2 (D, E). The cycle error is a norm, not squared: from some λ on the cycle closes exactly,
A2 A1 = I, as far as the ranks allow. λ = 0 is two independent least-squares fits, of least norm. The mapping is
z → A1 z; `inverse` is y → A2 y. The affine form has a free bias each way, z → A1 z + b1 and y → A2 y + b2, in all
three terms. (The original [1] added a bias of D entries to E dimensions.)

(1) is not convex. `decouple_solver.py` finds a minimum near the least-squares solution, following λ upwards. The
original [1] ran 200 steps of Adam from random matrices, which end far above it.

With fewer target than source dimensions A2 A1 cannot be the unit matrix, because its rank is at most E: the cycle
error has a floor, and a large λ bends A1 and A2 to it. `fit` warns.

[1] latent-communication. Technical University of Munich, 2024. github.com/kaieberl/latent-communication.

Shapes: N samples, D source dimensions, E target dimensions, M new points.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from framework.mappings.base import AffineMapping, LinearMapping, Mapping, Method
from framework.mappings.decouple_form import Maps, NormalForm
from framework.mappings.decouple_solver import solve
from framework.mappings.latents import Array, Latents
from framework.mappings.offsets import in_two, less, plus, whole


class DecoupleMapping(LinearMapping):
    """z → A1 z, with A1 (E, D), and y → A2 y, with A2 (D, E)."""

    kind = "decouple"
    inverse_weight: Tensor

    def __init__(self, source_dim: int, target_dim: int) -> None:
        super().__init__(source_dim, target_dim)
        self.register_buffer("inverse_weight", torch.zeros(source_dim, target_dim))

    def inverse(self, z_target: Latents) -> Any:
        """A2 y for each row: target latents (M, E) back in the source space, (M, D), as a mapping gives them.

        Raises:
            InvalidInput: they are no array of numbers (M, E).
        """
        return self._applied(self._back, "z_target", z_target, self.target_dim)

    def _back(self, z_target_ME: Tensor) -> Tensor:
        return nn.functional.linear(z_target_ME, self.inverse_weight.to(z_target_ME.dtype))


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

    def inverse(self, z_target: Latents) -> Any:
        """A2 y + b2 for each row: target latents (M, E) back in the source space, (M, D), as a mapping gives them.

        Raises:
            InvalidInput: they are no array of numbers (M, E).
        """
        return self._applied(self._back, "z_target", z_target, self.target_dim)

    def _back(self, z_target_ME: Tensor) -> Tensor:
        centred_ME = less(z_target_ME, self.inverse_source_mean)
        mapped_MD = nn.functional.linear(centred_ME, self.inverse_weight.to(z_target_ME.dtype))
        return plus(mapped_MD, self.inverse_target_mean)


@dataclass(frozen=True, kw_only=True)
class Decouple(Method):
    """`Decouple(ridge=0.1).fit(z_source, z_target)`. `ridge` is λ of (1), in units of a latent's length.

    The ridges share the decompositions of both sides and what leads from λ = 0 upwards.
    """

    mapping: ClassVar[type[Mapping]] = DecoupleMapping
    bias: ClassVar[bool] = False

    @classmethod
    def notes(cls, source_dim: int, target_dim: int) -> list[str]:
        """That the cycle cannot close in fewer target dimensions."""
        if target_dim >= source_dim:
            return []
        return [
            f"{cls.mapping.kind}: A2 A1 has at most rank {target_dim} of {source_dim} dimensions, so the cycle "
            "cannot close: λ weighs an error that has a floor"
        ]

    def _fit_pair(self, z_ND: Array, y_NE: Array, ridges: Sequence[float]) -> list[Mapping]:
        means = z_ND.mean(axis=0), y_NE.mean(axis=0)
        return [self._of(maps, *means) for maps in solve(NormalForm(z_ND, y_NE, bias=self.bias), ridges)]

    def _of(self, maps: Maps, mean_D: Array, mean_E: Array) -> Mapping:
        mapping = DecoupleMapping.of(maps.a1, maps.b1)
        mapping.inverse_weight.copy_(torch.from_numpy(maps.a2))
        return mapping


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


def objective(maps: Maps, z_ND: Array, y_NE: Array, ridge: float) -> float:
    """(1) for the maps z → A1 z + b1 and y → A2 y + b2, on the samples (N, D) and (N, E)."""
    there_NE = z_ND @ maps.a1.T + maps.b1
    back_ND = y_NE @ maps.a2.T + maps.b2
    cycle_ND = there_NE @ maps.a2.T + maps.b2
    squares_N = ((there_NE - y_NE) ** 2).sum(axis=1) + ((back_ND - z_ND) ** 2).sum(axis=1)
    return float(squares_N.mean() + ridge * np.linalg.norm(cycle_ND - z_ND, axis=1).mean())
