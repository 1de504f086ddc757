"""The methods by name. A new method is a file of its own and a line here."""

from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence

from torch import Tensor

from framework.errors import ArtifactError, ConfigError, Problem
from framework.mappings.affine import Affine
from framework.mappings.base import Latents, Mapping, Method
from framework.mappings.linear import Linear

METHODS: dict[str, type[Method]] = {"linear": Linear, "affine": Affine}


def fit_path(method: str, z_source: Latents, z_target: Latents, ridges: Sequence[float]) -> list[Mapping]:
    """Fit `method` to pairs of latents (N, D) and (N, E), one mapping a ridge, in their order.

    Raises:
        ConfigError: there is no such method.
        InvalidInput: no samples, different numbers of them, NaN or infinite values, or a negative ridge.
    """
    if method not in METHODS:
        raise ConfigError([Problem("mapping", f"is {method!r}; allowed: {', '.join(METHODS)}")])
    return list(METHODS[method].fit_path(z_source, z_target, ridges))


def load_mapping(kind: str, numbers: AnyMapping[str, Tensor], source_dim: int, target_dim: int) -> Mapping:
    """A mapping of `kind` with its saved numbers, in eval mode.

    Raises:
        ArtifactError: the kind is unknown, or the numbers are not those of such a mapping.
    """
    kinds = {method.mapping.kind: method.mapping for method in METHODS.values()}
    if kind not in kinds:
        raise ArtifactError(f"a mapping of the kind {kind!r} is unknown here; known: {', '.join(kinds)}")
    mapping = kinds[kind](source_dim, target_dim)
    try:
        mapping.load_state_dict(dict(numbers))
    except RuntimeError as error:
        raise ArtifactError(f"these are not the numbers of a {kind} mapping: {error}") from error
    return mapping.eval()
