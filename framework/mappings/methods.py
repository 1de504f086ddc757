"""The methods by name. A new method is a file of its own and a line here."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from framework.errors import ArtifactError, ConfigError, InvalidInput, Problem
from framework.mappings.affine import Affine
from framework.mappings.base import Mapping, Method, Numbers
from framework.mappings.decouple import Decouple
from framework.mappings.decouple_affine import DecoupleAffine
from framework.mappings.identity import Identity
from framework.mappings.kernel import Kernel
from framework.mappings.latents import Latents
from framework.mappings.linear import Linear
from framework.mappings.mlp import MLP
from framework.mappings.orthogonal import Orthogonal
from framework.mappings.permutation import Permutation
from framework.mappings.relative import Relative
from framework.mappings.residual import Residual

METHODS: dict[str, type[Method]] = {
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


def load_mapping(folder: Path) -> Mapping:
    """The mapping that was saved into `folder` (`Mapping.save`), of whatever kind.

    Raises:
        ArtifactError: the folder holds none, or one of an unknown kind, or its two files do not agree.
    """
    try:
        sizes = json.loads((folder / "mapping.json").read_text())
        numbers = load_file(folder / "mapping.safetensors")
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder} holds no mapping: {error}") from error
    except (json.JSONDecodeError, SafetensorError) as error:
        raise ArtifactError(f"{folder} holds a broken mapping: {error}") from error
    try:
        return mapping_of(sizes["kind"], numbers, sizes["source_dim"], sizes["target_dim"])
    except KeyError as error:
        raise ArtifactError(f"{folder}/mapping.json lacks {error}") from error
    except ArtifactError as error:
        message = f"{folder}: mapping.safetensors is not what mapping.json says: {error}"
        raise ArtifactError(message) from error


def mapping_of(kind: str, numbers: Numbers, source_dim: int, target_dim: int) -> Mapping:
    """A mapping of `kind` with its saved numbers, in eval mode.

    Raises:
        ArtifactError: the kind is unknown, or the numbers are not those of such a mapping.
    """
    kinds = {method.mapping.kind: method.mapping for method in METHODS.values()}
    if kind not in kinds:
        raise ArtifactError(f"a mapping of the kind {kind!r} is unknown here; known: {', '.join(kinds)}")
    return kinds[kind].from_numbers(numbers, source_dim, target_dim)


def _method(name: str, options: dict[str, Any]) -> Method:
    if name not in METHODS:
        raise ConfigError([Problem("mapping", f"is {name!r}; allowed: {', '.join(METHODS)}")])
    if "ridge" in options:
        raise InvalidInput([Problem("ridge", "is no option here: give `ridges`, a mapping is fitted for each")])
    return METHODS[name](**options)
