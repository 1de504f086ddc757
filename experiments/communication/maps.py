"""Maps between two representations of the same images, and how much of the variance they leave unexplained.

Each map is fitted on images of train; where it has several ridges, that of the least error on val is taken. Beside
each stands the same fit to shuffled rows, `<label>_shuffled`: what a map finds where there is no relation.

Shapes: S fitted samples, N images of a split, D and E dimensions.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from experiments.communication.names import SCORED, SHUFFLED
from framework.errors import InvalidInput
from framework.mappings.base import Mapping as Map
from framework.mappings.config import MappingConfig
from framework.mappings.methods import fit_path
from framework.metrics.unexplained import variance_unexplained
from framework.seeds import torch_stream

CHOOSES = "val"
DRAWN, ORDER = 0, 1  # streams of the seed

Latents = Mapping[str, Tensor]
"""By split, (N, D)."""


class Fitted(NamedTuple):
    """A map whose ridge was chosen on val, and its error on each scored split.

    Attributes:
        label: What tables call it.
        ridge: λ that was chosen.
        errors: `variance_unexplained` by split.
    """

    label: str
    map: Map
    ridge: float
    errors: dict[str, float]


def samples(count: int, number: int, seed: int) -> Tensor:
    """Positions (S,) of the images that maps are fitted on, among `count` of train."""
    return torch.randperm(count, generator=torch_stream(seed, DRAWN))[:number]


def fit_all(
    source: Latents, target: Latents, configs: Sequence[MappingConfig], drawn_S: Tensor, seed: int, where: str
) -> Iterator[Fitted]:
    """Each map from source to target latents, and after it the same of shuffled rows.

    Raises:
        InvalidInput: latents that cannot be mapped; the message begins with `where`.
    """
    z_SD, y_SE = source["train"][drawn_S], target["train"][drawn_S]
    order_S = torch.randperm(len(drawn_S), generator=torch_stream(seed, ORDER))
    for config in configs:
        for end, paired_SE in (("", y_SE), (SHUFFLED, y_SE[order_S])):
            try:
                path = fit_path(config.kind, z_SD, paired_SE, config.ridge_values, **config.options())
            except InvalidInput as error:
                raise InvalidInput(error.problems, where) from error
            yield _chosen(config.label + end, path, config.ridge_values, source, target)


def _chosen(label: str, path: Sequence[Map], ridges: Sequence[float], source: Latents, target: Latents) -> Fitted:
    """The map of the least error on val; of equal ones that of the first ridge."""
    on_val = [_error(found, source[CHOOSES], target[CHOOSES]) for found in path]
    best = min(range(len(path)), key=on_val.__getitem__)
    errors = {split: _error(path[best], source[split], target[split]) for split in SCORED if split != CHOOSES}
    return Fitted(label, path[best], ridges[best], {CHOOSES: on_val[best], **errors})


def _error(found: Map, z_ND: Tensor, y_NE: Tensor) -> float:
    return variance_unexplained(found(z_ND), y_NE)
