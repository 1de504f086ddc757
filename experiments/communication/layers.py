"""The hidden layers that are mapped, and what they give for images.

Shapes: N images, D units of a layer.
"""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from framework.data.config import DataConfig
from framework.data.facts import facts_of
from framework.data.vision import Splits
from framework.errors import InvalidInput, Problem
from framework.fields import nearest
from framework.models.base import Model, Shape
from framework.models.config import ModelConfig
from framework.models.registry import build
from framework.models.split import split, stitching_points
from framework.ssl.evaluation.features import features_of
from framework.training.evaluation import SPLITS

NONLINEAR = "torch.nn.modules.activation"
"""The module of torch that its nonlinearities are of."""


def hidden_layers(model: nn.Module, shape: Shape, named: Sequence[str] | None) -> dict[str, int]:
    """The layers to be mapped, in the order in which they run, with their units D.

    Raises:
        InvalidInput: `named` holds a layer behind which the model cannot be cut; or none is named, and there is no
            nonlinearity to take.
    """
    points = stitching_points(model, shape)
    if named is not None:
        problems = [Problem("layers", _absent(name, points)) for name in named if name not in points]
        if problems:
            raise InvalidInput(problems)
        return {name: units for name, units in points.items() if name in named}
    modules = dict(model.named_modules())
    found = {name: units for name, units in points.items() if type(modules[name]).__module__ == NONLINEAR}
    if not found:
        message = f"is null, and the model has no nonlinearity to be cut behind; name some of {', '.join(points)}"
        raise InvalidInput([Problem("layers", message)])
    return found


def layer_problems(config: ModelConfig, data: DataConfig, named: tuple[str, ...]) -> tuple[Problem, ...]:
    """What is wrong with the names of layers, told before anything is trained."""
    facts = facts_of(data)
    return _layer_problems(config, facts.shape, facts.classes, named)


@functools.lru_cache(maxsize=64)
def _layer_problems(
    config: ModelConfig, shape: Shape, classes: int, named: tuple[str, ...]
) -> tuple[Problem, ...]:
    with torch.random.fork_rng(devices=[]):
        model = build(config, shape, classes)
    try:
        hidden_layers(model, shape, named)
    except InvalidInput as error:
        return error.problems
    return ()


def latents_of(model: Model, layer: str, splits: Splits, device: torch.device) -> dict[str, Tensor]:
    """The output (N, D) of a layer, flat, for the images of each split, on the CPU."""
    cut = split(model, layer, splits.image_shape)
    return {name: features_of(cut, getattr(splits, name).images, device=device) for name in SPLITS}


def _absent(name: str, points: dict[str, int]) -> str:
    return f"is {name!r}; {nearest(name, list(points))}; a cut is possible behind {', '.join(points)}"
