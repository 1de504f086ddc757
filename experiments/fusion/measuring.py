"""What is measured of parents and fused networks: the tables `metrics` and `density`.

A fused network began, if anywhere, where its parents did; their initial weights are carried along the plans that
their final weights are carried along, so that distances are taken in one basis.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from experiments.fusion.config import Recipe
from experiments.fusion.parents import Parent
from framework.data.vision import Splits
from framework.fusion.alignment import Alignment
from framework.fusion.transport import transport
from framework.metrics.spaces import measure, spectral_density
from framework.metrics.spaces_config import MetricsConfig


class Fused(NamedTuple):
    """What a recipe made: the parents in the first one's basis, the plans, and one network of them."""

    recipe: Recipe
    aligned: list[nn.Module]
    alignments: list[Alignment]
    model: nn.Module
    seconds: float


class Subject(NamedTuple):
    """A network to be measured, with the weights that it may be said to have begun with."""

    family: str
    model: nn.Module
    initial: Sequence[Mapping[str, Tensor]]


def subjects(parents: Sequence[Parent], fused: Sequence[Fused], measured: Sequence[str]) -> Iterator[Subject]:
    """The parents, and the networks of the recipes in `measured`."""
    for parent in parents:
        yield Subject(parent.name, parent.model, [parent.initial] if parent.initial is not None else [])
    for made in fused:
        if made.recipe.name in measured:
            yield Subject(made.recipe.name, made.model, _initial(parents, made))


def metric_rows(
    subject: Subject, splits: Splits, config: MetricsConfig, device: torch.device
) -> Iterator[dict[str, Any]]:
    """Rows of the table `metrics`.

    Raises:
        InvalidInput: weights or a loss that are not finite.
    """
    for found in measure(subject.model, splits, config, initial=subject.initial, device=device):
        yield {"family": subject.family, **found._asdict()}


def density_rows(
    subject: Subject, splits: Splits, config: MetricsConfig, device: torch.device
) -> Iterator[dict[str, Any]]:
    """Rows of the table `density`: how the eigenvalues of the Hessian are spread; none where it is off."""
    if config.hessian is None:
        return
    found = spectral_density(subject.model, splits, config.hessian, seed=config.seed, device=device)
    for eigenvalue, density in zip(found.grid, found.density, strict=True):
        yield {"family": subject.family, "eigenvalue": float(eigenvalue), "density": float(density)}


def _initial(parents: Sequence[Parent], made: Fused) -> list[Mapping[str, Tensor]]:
    found: list[Mapping[str, Tensor]] = []
    for number, parent in enumerate(parents):
        if parent.initial is None:
            return []
        if number == 0:
            found.append(parent.initial)
            continue
        alignment = made.alignments[number - 1]
        found.append(transport(parent.initial, alignment.model.bases, alignment.plans, alignment.reference.bases))
    return found
