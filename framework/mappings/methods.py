"""The methods by name. A new method is a file of its own and a line here."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from framework.errors import ArtifactError, ConfigError, InvalidInput, Problem
from framework.fields import nearest
from framework.mappings.affine import Affine
from framework.mappings.base import Mapping, Method, Numbers
from framework.mappings.class_means import ClassMeansMapping
from framework.mappings.decouple import Decouple, DecoupleAffine
from framework.mappings.identity import Identity
from framework.mappings.kernel import Kernel
from framework.mappings.latents import Latents
from framework.mappings.linear import Linear
from framework.mappings.mlp import MLP
from framework.mappings.orthogonal import Orthogonal
from framework.mappings.permutation import Permutation
from framework.mappings.relative import Relative
from framework.mappings.residual import Residual


class _Methods(dict[str, type[Method]]):
    def __missing__(self, name: str) -> type[Method]:
        raise ConfigError([Problem("mapping", f"is {name!r}; {nearest(str(name), list(self))}")])


METHODS: dict[str, type[Method]] = _Methods(
    {
        "linear": Linear,
        "affine": Affine,
        "decouple": Decouple,
        "decouple_affine": DecoupleAffine,
        "mlp": MLP,
        "residual": Residual,
        "kernel": Kernel,
        "orthogonal": Orthogonal,
        "permutation": Permutation,
        "relative": Relative,
        "identity": Identity,
    }
)

_BIAS = {"bias": ("target_mean", "source_mean", "weight")}
BEFORE = {
    **dict.fromkeys(("affine", "orthogonal", "permutation"), _BIAS),
    "decouple_affine": {
        **_BIAS,
        "inverse_bias": ("inverse_target_mean", "inverse_source_mean", "inverse_weight"),
    },
    "residual": {"base.bias": ("base.target_mean", "base.source_mean", "base.weight")},
}
"""The biases of mappings that were saved before means were kept: what they are now, about which mean, of what."""


def fit_path(
    method: str, z_source: Latents, z_target: Latents, ridges: Sequence[float], **options: Any
) -> list[Mapping]:
    """Fit `method` to pairs of latents (N, D) and (N, E), one mapping a ridge, in their order.

    Raises:
        ConfigError: there is no such method.
        InvalidInput: options, latents, sizes or ridges that the method cannot take; all problems together.
    """
    return _method(method, options).fit_path(z_source, z_target, ridges)


def fit_grid(
    method: str, pairs: Sequence[tuple[Latents, Latents]], ridges: Sequence[float], **options: Any
) -> list[list[Mapping]]:
    """`fit_path` for several pairs of latents (a number of samples each, say): a list a pair, a mapping a ridge.

    Raises:
        ConfigError, InvalidInput: as `fit_path`; the keys tell the pair.
    """
    return _method(method, options).fit_grid(pairs, ridges)


def load_mapping(folder: str | Path) -> Mapping:
    """The mapping that was saved into `folder` (`Mapping.save`), of whatever kind.

    Raises:
        ArtifactError: the folder holds none, or one of an unknown kind, or its two files do not agree.
    """
    folder = Path(folder)
    try:
        sizes = json.loads((folder / "mapping.json").read_text())
        numbers = load_file(folder / "mapping.safetensors")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(f"{folder} holds no mapping: {error}") from error
    except (json.JSONDecodeError, SafetensorError) as error:
        raise ArtifactError(f"{folder} holds a broken mapping: {error}") from error
    try:
        mapping = mapping_of(sizes["kind"], numbers, sizes["source_dim"], sizes["target_dim"])
    except KeyError as error:
        raise ArtifactError(f"{folder}/mapping.json lacks {error}") from error
    except ArtifactError as error:
        message = f"{folder}: mapping.safetensors is not what mapping.json says: {error}"
        raise ArtifactError(message) from error
    mapping.fitted_with = sizes.get("fitted_with") or {}
    return mapping


def mapping_of(kind: str, numbers: Numbers, source_dim: int, target_dim: int) -> Mapping:
    """A mapping of `kind` with its saved numbers, in eval mode.

    Raises:
        ArtifactError: the kind is unknown, or the numbers are not those of such a mapping.
    """
    kinds = {method.mapping.kind: method.mapping for method in METHODS.values()}
    kinds[ClassMeansMapping.kind] = ClassMeansMapping  # a control, which is fitted to labels and so is no method
    if kind not in kinds:
        raise ArtifactError(f"a mapping of the kind {kind!r} is unknown here; known: {', '.join(kinds)}")
    return kinds[kind].from_numbers(_about_means(kind, numbers), source_dim, target_dim)


def _about_means(kind: str, numbers: Numbers) -> Numbers:
    """Numbers as they are kept today; those that were saved before have biases and means in single precision."""
    found = dict(numbers)
    for old, (new, about, weight) in BEFORE.get(kind, {}).items():
        if old in found and new not in found and weight in found:
            found[new] = torch.stack([found[old], torch.zeros_like(found[old])])
            found.setdefault(about, found[weight].new_zeros(2, found[weight].shape[1]))
            del found[old]
    for name in ("input_mean", "output_mean", "correction.input_mean", "correction.output_mean"):
        if name in found and found[name].ndim == 1:
            found[name] = torch.stack([found[name], torch.zeros_like(found[name])])
    if kind == "relative" and "weight" in found:  # saved before there was a centred form
        for name, dim in (("source_mean", 1), ("target_mean", 0)):
            found.setdefault(name, found["weight"].new_zeros(2, found["weight"].shape[dim]))
    if kind == "kernel" and "centres" in found and found["centres"].ndim == 2:
        found.setdefault("origin", found["centres"].new_zeros(2, found["centres"].shape[1]))
    return found


def _method(name: str, options: dict[str, Any]) -> Method:
    method = METHODS[name]
    if "ridge" in options:
        raise InvalidInput([Problem("ridge", "is no option here: give `ridges`, a mapping is fitted for each")])
    return method(**options)
