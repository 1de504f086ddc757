"""The search for sigma as it is written down: every restart and draw, every batch, one after the other.

Only the random numbers are those of the project, so that both sides perturb alike.
"""

import copy
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from framework.metrics.pac_bayes import normal
from framework.metrics.sharpness import start
from framework.metrics.spaces_config import PacBayesConfig, SharpnessConfig, SigmaConfig

Batch = tuple[Tensor, Tensor]


def loss(model: nn.Module, batches: Sequence[Batch]) -> float:
    """The mean cross-entropy per image, in nats."""
    with torch.no_grad():
        totals = [float(F.cross_entropy(model(images), labels, reduction="sum")) for images, labels in batches]
    return sum(totals) / sum(len(labels) for _, labels in batches)


def pieces(vector_P: Tensor, model: nn.Module) -> list[Tensor]:
    parameters = list(model.parameters())
    parts = vector_P.split([parameter.numel() for parameter in parameters])
    return [part.view(parameter.shape) for part, parameter in zip(parts, parameters, strict=True)]


def vector(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def moved(model: nn.Module, step_P: Tensor) -> nn.Module:
    """A copy of the model with `step_P` added to its weights, in eval mode."""
    perturbed = copy.deepcopy(model).eval()
    with torch.no_grad():
        for parameter, step in zip(perturbed.parameters(), pieces(step_P, model), strict=True):
            parameter.add_(step)
    return perturbed


def worst_rise(
    model: nn.Module,
    batches: Sequence[Batch],
    config: SharpnessConfig,
    seed: int,
    eps: float | None,
    sigma: float,
) -> float:
    """The largest rise of the loss over the restarts."""
    weights = vector(model)
    rises = []
    for restart in range(config.restarts):
        z = start(weights, seed, restart)
        limits = None if eps is None else sigma * (weights.abs() + eps)
        step = clip(sigma * z if limits is None else limits * z, sigma, limits)
        for i in range(config.ascent_steps):
            perturbed = moved(model, step)
            images, labels = batches[i % len(batches)]
            F.cross_entropy(perturbed(images), labels).backward()
            gradient = torch.cat([parameter.grad.flatten() for parameter in perturbed.parameters()])
            step = clip(step + stride(gradient, config, sigma, limits), sigma, limits)
        rises.append(loss(moved(model, step), batches) - loss(model, batches))
    return max(rises)


def stride(gradient: Tensor, config: SharpnessConfig, sigma: float, limits: Tensor | None) -> Tensor:
    """One step of the ascent."""
    if config.step.kind == "fixed":
        return config.step.size * gradient
    if limits is None:
        return config.step.size * sigma * gradient / gradient.norm()
    return config.step.size * limits * gradient.sign()


def clip(step: Tensor, sigma: float, limits: Tensor | None) -> Tensor:
    if limits is None:
        length = float(step.norm())
        return step * (sigma / length) if length > sigma else step
    return torch.minimum(torch.maximum(step, -limits), limits)


def mean_rise(
    model: nn.Module, batches: Sequence[Batch], config: PacBayesConfig, seed: int, eps: float | None, sigma: float
) -> float:
    """The mean difference of the loss over the draws, without its sign."""
    weights = vector(model)
    deviations = sigma if eps is None else torch.sqrt((sigma * weights) ** 2 + eps**2)
    rises = [
        loss(moved(model, deviations * normal(weights, seed, draw)), batches) - loss(model, batches)
        for draw in range(config.draws)
    ]
    return abs(sum(rises) / len(rises))


def search(
    deviation: Callable[[float], float],
    span: SigmaConfig,
    config: SharpnessConfig | PacBayesConfig,
    target: float,
) -> float:
    """Bisection with both tolerances."""
    low, high = span.low, span.high
    for _ in range(config.depth):
        middle = (low + high) / 2
        found = deviation(middle)
        if abs(found - target) <= config.deviation_tolerance:
            return middle
        if found < target:
            low = middle
        else:
            high = middle
        if high - low < config.sigma_tolerance:
            break
    return (low + high) / 2


def sharpness_sigmas(
    model: nn.Module,
    batches: Sequence[Batch],
    config: SharpnessConfig,
    *,
    seed: int,
    target: float,
    eps: float,
) -> tuple[float, float]:
    """The plain and the magnitude-aware sigma."""
    return (
        search(lambda s: worst_rise(model, batches, config, seed, None, s), config.plain, config, target),
        search(lambda s: worst_rise(model, batches, config, seed, eps, s), config.magnitude, config, target),
    )


def pac_bayes_sigmas(
    model: nn.Module,
    batches: Sequence[Batch],
    config: PacBayesConfig,
    *,
    seed: int,
    target: float,
    eps: float,
) -> tuple[float, float]:
    """The plain and the magnitude-aware sigma."""
    return (
        search(lambda s: mean_rise(model, batches, config, seed, None, s), config.plain, config, target),
        search(lambda s: mean_rise(model, batches, config, seed, eps, s), config.magnitude, config, target),
    )
