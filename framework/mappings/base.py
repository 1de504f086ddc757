"""What a mapping is: a fitted map between two latent spaces, and the method that fits it. Knows no images.

Shapes: N samples, D source dimensions, E target dimensions.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from framework.errors import ArtifactError, InvalidInput, Problem

Array = npt.NDArray[np.float64]
Latents = npt.ArrayLike | Tensor  # anything of shape (N, D) or (N, E)


class Mapping(nn.Module, ABC):
    """A fitted map from a source space (N, D) into a target space (N, E).

    A subclass is built from its sizes alone, so that a saved one can be built again before its numbers arrive.
    """

    kind: ClassVar[str]

    def __init__(self, source_dim: int, target_dim: int) -> None:
        super().__init__()
        self.source_dim, self.target_dim = source_dim, target_dim

    @abstractmethod
    def forward(self, z_source_ND: Tensor) -> Tensor:
        """The image (N, E) of source latents (N, D)."""

    def save(self, folder: Path) -> None:
        """Write `mapping.json` (kind and sizes) and `mapping.safetensors` (numbers) into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        sizes = {"kind": self.kind, "source_dim": self.source_dim, "target_dim": self.target_dim}
        (folder / "mapping.json").write_text(json.dumps(sizes) + "\n")
        save_file(dict(self.state_dict()), folder / "mapping.safetensors")

    @staticmethod
    def load(folder: Path) -> "Mapping":
        """The mapping that was saved into `folder`, of whatever kind, in eval mode.

        Raises:
            ArtifactError: the folder holds none, or one of an unknown kind.
        """
        from framework.mappings.methods import load_mapping

        try:
            sizes = json.loads((folder / "mapping.json").read_text())
            numbers = load_file(folder / "mapping.safetensors")
        except FileNotFoundError as error:
            raise ArtifactError(f"{folder} holds no mapping: {error}") from error
        return load_mapping(sizes["kind"], numbers, sizes["source_dim"], sizes["target_dim"])


class Method(ABC):
    """A way to fit a mapping. Its constructor takes what it is tuned by (here `ridge`)."""

    mapping: ClassVar[type[Mapping]]

    def __init__(self, ridge: float = 0.0) -> None:
        self.ridge = ridge

    def fit(self, z_source: Latents, z_target: Latents) -> Mapping:
        """The mapping that carries the source latents (N, D) nearest to the target latents (N, E).

        Raises:
            InvalidInput: no samples, different numbers of them, NaN or infinite values, or a negative ridge.
        """
        return self.fit_path(z_source, z_target, [self.ridge])[0]

    @classmethod
    @abstractmethod
    def fit_path(cls, z_source: Latents, z_target: Latents, ridges: Sequence[float]) -> Sequence[Mapping]:
        """The mapping of each ridge, sharing between them whatever work can be shared."""


class LinearMapping(Mapping):
    """z → A z, with A (E, D)."""

    kind = "linear"
    weight: Tensor

    def __init__(self, source_dim: int, target_dim: int) -> None:
        super().__init__(source_dim, target_dim)
        self.register_buffer("weight", torch.zeros(target_dim, source_dim))

    @classmethod
    def of(cls, weight_ED: Array, bias_E: Array) -> Self:
        """The mapping with these numbers, kept in single precision. A linear mapping has no use for the bias."""
        mapping = cls(weight_ED.shape[1], weight_ED.shape[0])
        mapping.weight.copy_(torch.from_numpy(weight_ED))
        return mapping.eval()

    def forward(self, z_source_ND: Tensor) -> Tensor:
        """A z for each row, (N, E)."""
        return nn.functional.linear(z_source_ND, self.weight)


class AffineMapping(LinearMapping):
    """z → A z + b, with A (E, D) and b (E,)."""

    kind = "affine"
    bias: Tensor

    def __init__(self, source_dim: int, target_dim: int) -> None:
        super().__init__(source_dim, target_dim)
        self.register_buffer("bias", torch.zeros(target_dim))

    @classmethod
    def of(cls, weight_ED: Array, bias_E: Array) -> Self:
        """The mapping with these numbers, kept in single precision."""
        mapping = super().of(weight_ED, bias_E)
        mapping.bias.copy_(torch.from_numpy(bias_E))
        return mapping

    def forward(self, z_source_ND: Tensor) -> Tensor:
        """A z + b for each row, (N, E)."""
        return nn.functional.linear(z_source_ND, self.weight, self.bias)


def as_latents(name: str, values: Latents) -> Array:
    """`values` as a float64 array (N, D).

    Raises:
        InvalidInput: it is not two-dimensional, is empty, or holds NaN or infinite values; `name` is the key.
    """
    raw = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    array = np.asarray(raw, dtype=np.float64)
    if array.ndim != 2 or 0 in array.shape:
        raise InvalidInput([Problem(name, f"has the shape {array.shape}; allowed: (samples, dimensions), ≥ 1")])
    bad = int((~np.isfinite(array)).any(axis=1).sum())
    if bad:
        message = f"{bad} of {len(array)} samples hold NaN or infinite values: has the encoder diverged?"
        raise InvalidInput([Problem(name, message)])
    return array
