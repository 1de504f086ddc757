"""What a mapping is: a fitted map between two latent spaces, and the method that fits it. Knows no images.

Shapes: N samples, D source dimensions, E target dimensions, K = min(D, E).
"""

import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from framework.errors import ArtifactError, InvalidInput, Problem
from framework.fields import nearest
from framework.mappings.latents import Array, Latents, as_numbers, as_pair, ridge_problems
from framework.mappings.offsets import in_two, less, plus, whole

Pair = tuple[Array, Array]  # source (N, D) and target (N, E) of the same samples
Numbers = AnyMapping[str, Tensor]  # the buffers of a mapping, by name


class MappingWarning(UserWarning):
    """A mapping was fitted, but cannot be what its method is chosen for; the message says why."""


class Mapping(nn.Module, ABC):
    """A fitted map from a source space (N, D) into a target space (N, E).

    It takes latents of any precision, as a tensor or as an array, and gives theirs back. Its numbers are float32
    buffers: nothing in it is trained further, and it is always in eval mode.
    """

    kind: ClassVar[str]

    def __init__(self, source_dim: int, target_dim: int) -> None:
        super().__init__()
        self.source_dim, self.target_dim = source_dim, target_dim
        self.fitted_with: dict[str, float] = {}
        self.eval()

    def __call__(self, z_source: Latents) -> Any:
        """The image (N, E) of source latents (N, D), as a tensor or an array like them.

        Half precision is mapped in single precision; integers, and what is no tensor, in double precision. It is
        computed on the device of the mapping.

        Raises:
            InvalidInput: they are no array of numbers (N, D).
        """
        return self._applied(super().__call__, "z_source", z_source, self.source_dim)

    def _applied(self, image: Callable[[Tensor], Tensor], name: str, latents: Latents, dim: int) -> Any:
        """`image` of latents (N, dim), computed where the mapping is and given as they are: see `__call__`."""
        if not isinstance(latents, Tensor):
            given = torch.from_numpy(as_numbers(name, latents, dim))
            mapped: Array = self._there(image, given).numpy()
            return mapped.astype(getattr(latents, "dtype", mapped.dtype)) if _floating(latents) else mapped
        if latents.is_complex():
            raise InvalidInput([Problem(name, "is complex; allowed: real numbers")])
        if latents.ndim != 2 or latents.shape[1] != dim:  # else torch would spread what is narrower
            message = f"has the shape {tuple(latents.shape)}; allowed: (samples, {dim})"
            raise InvalidInput([Problem(name, message)])
        if latents.dtype in (torch.float32, torch.float64):
            return self._there(image, latents)
        if latents.is_floating_point():
            return self._there(image, latents.float()).to(latents.dtype)
        return self._there(image, latents.double())

    def _there(self, image: Callable[[Tensor], Tensor], latents_ND: Tensor) -> Tensor:
        own = next(self.buffers(), latents_ND).device
        return image(latents_ND.to(own)).to(latents_ND.device)

    @abstractmethod
    def forward(self, z_source_ND: Tensor) -> Tensor:
        """The image (N, E) of source latents (N, D), in single or double precision, in which it is computed."""

    def __repr__(self) -> str:
        facts = "".join(f", {name}={value:g}" for name, value in self.fitted_with.items())
        return f"{self.kind}({self.source_dim} → {self.target_dim}{facts})"

    def train(self, mode: bool = True) -> Self:
        """Nothing: a model around the mapping may go into train mode, the mapping stays as it was fitted."""
        return super().train(False)

    @property
    def matrix(self) -> Tensor | None:
        """A (E, D) of a mapping z → A z + b; None of one that is not of this form."""
        return None

    def singular_values(self) -> Tensor | None:
        """The singular values (K,) of `matrix`, the largest first; None where there is no matrix."""
        matrix_ED = self.matrix
        if matrix_ED is None:
            return None
        values_K: Tensor = torch.linalg.svdvals(matrix_ED.cpu().double())
        return values_K.to(matrix_ED.dtype)

    def save(self, folder: str | Path) -> None:
        """Write `mapping.json` (kind and sizes) and `mapping.safetensors` (numbers) into `folder`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        sizes: dict[str, Any] = {"kind": self.kind, "source_dim": self.source_dim, "target_dim": self.target_dim}
        sizes |= {"fitted_with": self.fitted_with} if self.fitted_with else {}
        (folder / "mapping.json").write_text(json.dumps(sizes) + "\n")
        save_file(dict(self.state_dict()), folder / "mapping.safetensors")

    @classmethod
    def from_numbers(cls, numbers: Numbers, source_dim: int, target_dim: int) -> Self:
        """The mapping with these saved numbers. A kind that needs more than its sizes takes it from their shapes.

        Raises:
            ArtifactError: the numbers are not those of such a mapping.
        """
        return cls(source_dim, target_dim).filled(numbers)

    def filled(self, numbers: Numbers) -> Self:
        """Itself, with `numbers` in its buffers, in single precision.

        Raises:
            ArtifactError: a name is missing or unknown, or a shape is another; every one is named.
        """
        own = self.state_dict()
        wrong = [f"{name} is missing" for name in own.keys() - numbers.keys()]
        wrong += [f"{name} is unknown" for name in numbers.keys() - own.keys()]
        for name in own.keys() & numbers.keys():
            given, wanted = tuple(numbers[name].shape), tuple(own[name].shape)
            if given != wanted:
                wrong.append(f"{name} has the shape {given} where the sizes make it {wanted}")
        if wrong:
            sizes = f"{self.source_dim} to {self.target_dim} dimensions"
            problems = "; ".join(sorted(wrong))
            raise ArtifactError(f"not the numbers of the mapping {self.kind!r} from {sizes}: {problems}")
        self.load_state_dict(dict(numbers))
        return self


@dataclass(frozen=True)
class Method(ABC):
    """A way to fit a mapping. Every method takes `ridge`, λ, first; its options are given by keyword.

    Raises:
        InvalidInput: an option that the method has not, or a value that it cannot take.
    """

    mapping: ClassVar[type[Mapping]]
    uses_ridge: ClassVar[bool] = True  # whether λ has a meaning

    ridge: float = 0.0

    def __new__(cls, *ridge: float, **options: object) -> Self:
        """Refuse options that the method has not, before Python does so with a TypeError."""
        known = [field.name for field in fields(cls)]
        kind = cls.mapping.kind
        wrong = [Problem(o, f"{kind} has no such option; {nearest(o, known)}") for o in options if o not in known]
        if wrong:
            raise InvalidInput(wrong)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        """Refuse values that the options cannot take."""
        flags = [Problem(name, f"is {value!r}; allowed: True, False") for name, value in self._wrong_flags()]
        problems = [*flags, *self._ridge_problems([self.ridge]), *self._option_problems()]
        if problems:
            raise InvalidInput(problems)

    def _wrong_flags(self) -> list[tuple[str, object]]:
        flags = [field.name for field in fields(self) if field.type in (bool, "bool")]
        return [(name, value) for name in flags if not isinstance(value := getattr(self, name), bool)]

    def fit(self, z_source: Latents, z_target: Latents) -> Mapping:
        """The mapping that carries the source latents (N, D) nearest to the target latents (N, E).

        It is fitted on the CPU, and lies on the device of the source latents. What `notes` says about the sizes is
        given as a `MappingWarning`.

        Raises:
            InvalidInput: latents that hold NaN or infinite values, are all equal or not in pairs, or sizes that
                the method cannot take; all problems together.
        """
        mapping = self.fit_path(z_source, z_target, [self.ridge])[0]
        for note in self.notes(mapping.source_dim, mapping.target_dim):
            warnings.warn(note, MappingWarning, stacklevel=2)
        return mapping

    def fit_path(self, z_source: Latents, z_target: Latents, ridges: Sequence[float]) -> list[Mapping]:
        """The mapping of each ridge, in their order, sharing between them whatever work can be shared.

        `self.ridge` plays no part.

        Raises:
            InvalidInput: as `fit`, or no ridge, or one that is negative or not finite.
        """
        return self._fit_checked([(z_source, z_target)], ridges, [""])[0]

    def fit_grid(self, pairs: Sequence[tuple[Latents, Latents]], ridges: Sequence[float]) -> list[list[Mapping]]:
        """`fit_path` for several pairs of latents: a list a pair, with a mapping a ridge.

        Raises:
            InvalidInput: as `fit_path`; the keys tell the pair.
        """
        return self._fit_checked(pairs, ridges, [f"pairs[{index}]." for index in range(len(pairs))])

    @classmethod
    def notes(cls, source_dim: int, target_dim: int) -> list[str]:
        """What a reader of the results must know about the method at these sizes; mostly nothing."""
        return []

    @classmethod
    def size_problems(cls, source_dim: int, target_dim: int) -> list[Problem]:
        """Why the method cannot map `source_dim` to `target_dim` dimensions; mostly it can."""
        return []

    def _fit_checked(
        self, pairs: Sequence[tuple[Latents, Latents]], ridges: Sequence[float], prefixes: Sequence[str]
    ) -> list[list[Mapping]]:
        problems = self._ridge_problems(ridges)
        checked: list[Pair] = []
        for (z_source, z_target), prefix in zip(pairs, prefixes, strict=True):
            z_ND, y_NE, wrong = as_pair(z_source, z_target, prefix)
            problems += wrong
            if z_ND.ndim == y_NE.ndim == 2:
                problems += self.size_problems(z_ND.shape[1], y_NE.shape[1])
            checked.append((z_ND, y_NE))
        if problems:
            raise InvalidInput(list(dict.fromkeys(problems)))
        found = self._fit_pairs(checked, [float(ridge) for ridge in ridges])
        for (z_source, _), (z_ND, _), path in zip(pairs, checked, found, strict=True):
            for mapping, ridge in zip(path, ridges, strict=True):
                if isinstance(z_source, Tensor):
                    mapping.to(z_source.device)
                mapping.fitted_with = {**({"λ": float(ridge)} if self.uses_ridge else {}), "n": len(z_ND)}
        return found

    def _fit_pairs(self, pairs: Sequence[Pair], ridges: Sequence[float]) -> list[list[Mapping]]:
        return [list(self._fit_pair(z_ND, y_NE, ridges)) for z_ND, y_NE in pairs]

    @abstractmethod
    def _fit_pair(self, z_ND: Array, y_NE: Array, ridges: Sequence[float]) -> Sequence[Mapping]:
        """A mapping a ridge, for latents and ridges that were checked."""

    def _ridge_problems(self, ridges: Sequence[float]) -> list[Problem]:
        problems = ridge_problems(ridges)
        if not problems and not self.uses_ridge and any(ridges):
            given = [float(ridge) for ridge in ridges]
            return [Problem("ridge", f"is {given}; {self.mapping.kind} has no λ: give 0 or leave it out")]
        return problems

    def _option_problems(self) -> list[Problem]:
        """What is wrong with the method's own options."""
        return []


class LinearMapping(Mapping):
    """z → A z, with A (E, D)."""

    kind = "linear"
    weight: Tensor

    def __init__(self, source_dim: int, target_dim: int) -> None:
        super().__init__(source_dim, target_dim)
        self.register_buffer("weight", torch.zeros(target_dim, source_dim))

    @classmethod
    def of(cls, weight_ED: Array, bias_E: Array, about_D: Array | None = None) -> Self:
        """The mapping with these numbers, in single precision. A linear mapping has no use for bias and mean."""
        mapping = cls(weight_ED.shape[1], weight_ED.shape[0])
        mapping.weight.copy_(torch.from_numpy(weight_ED))
        return mapping

    @property
    def matrix(self) -> Tensor:
        """A (E, D)."""
        return self.weight

    def forward(self, z_source_ND: Tensor) -> Tensor:
        """A z for each row, (N, E)."""
        return nn.functional.linear(z_source_ND, self.weight.to(z_source_ND.dtype))


class AffineMapping(LinearMapping):
    """z → A (z - m1) + m2, with A (E, D), m1 (D,) and m2 (E,): A z + b, without the digits that b would lose."""

    kind = "affine"
    source_mean: Tensor
    target_mean: Tensor

    def __init__(self, source_dim: int, target_dim: int) -> None:
        super().__init__(source_dim, target_dim)
        self.register_buffer("source_mean", torch.zeros(2, source_dim))
        self.register_buffer("target_mean", torch.zeros(2, target_dim))

    @classmethod
    def of(cls, weight_ED: Array, bias_E: Array, about_D: Array | None = None) -> Self:
        """z → A z + b, kept about the mean of the source latents (D,); without it about 0."""
        mapping = super().of(weight_ED, bias_E)
        about_D = np.zeros(mapping.source_dim) if about_D is None else about_D
        mapping.source_mean.copy_(in_two(about_D))
        mapping.target_mean.copy_(in_two(weight_ED @ about_D + bias_E))
        return mapping

    @property
    def bias(self) -> Tensor:
        """b = m2 - A m1, (E,)."""
        bias_E = whole(self.target_mean) - self.weight.cpu().double() @ whole(self.source_mean)
        return bias_E.to(self.weight)

    def forward(self, z_source_ND: Tensor) -> Tensor:
        """A (z - m1) + m2 for each row, (N, E)."""
        centred_ND = less(z_source_ND, self.source_mean)
        return plus(nn.functional.linear(centred_ND, self.weight.to(z_source_ND.dtype)), self.target_mean)


def _floating(values: object) -> bool:
    return isinstance(values, np.ndarray) and np.issubdtype(values.dtype, np.floating)
