"""How much a small change of an image can change the logits: a lower estimate of the Lipschitz constant.

Of a network f around an image x, by default the origin, with g(v) = f(x + v) - f(x),

    v ← ∇ ||g(v)||² / ||∇ ||g(v)||²||,    estimate = max ||g(v)|| over the v met, all with ||v|| = 1           (1)

from a random direction. Of a linear network this is the power iteration for the largest singular value; of any
other it is a ratio that is met, so that the true constant is at least as large, and may be much larger far from x.

Shapes: Q points, C channels, H x W pixels, K classes.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from framework.errors import InvalidInput, Problem
from framework.metrics.metric import Metric
from framework.metrics.perturbation import generator, steady
from framework.metrics.spaces_config import LipschitzConfig
from framework.models.batch import running

LIPSCHITZ = Metric(
    name="lipschitz_lower_estimate",
    unit="logits per unit of the images, both Euclidean",
    better="lower",
    reduction="largest over points and directions met",
)

STREAM = 6  # of the random numbers: no other measure may draw the same

# In float32 a direction of a thousand pixels keeps moving by rounding; what is below this many roundings is rest.
ROUNDINGS = 10


@dataclass(frozen=True)
class LipschitzEstimate:
    """Equation (1): the constant is at least `value`. `converged`: every direction came to rest."""

    value: float
    iterations: int
    converged: bool


def lipschitz_lower_estimate(
    model: nn.Module,
    image_shape: tuple[int, ...],
    config: LipschitzConfig,
    *,
    seed: int,
    points_QCHW: Tensor | None = None,
) -> LipschitzEstimate:
    """Equation (1) at the origin, or at `points_QCHW`, in eval mode; the model is left as it was.

    Raises:
        InvalidInput: the points have another shape than `image_shape`, or the logits are not finite.
    """
    reference = next(model.parameters(), torch.zeros(()))
    if points_QCHW is None:
        points_QCHW = torch.zeros(1, *image_shape)
    if points_QCHW.shape[1:] != torch.Size(image_shape) or not len(points_QCHW):
        shape = tuple(points_QCHW.shape)
        message = f"has shape {shape}; allowed: one or more images, (Q, {', '.join(map(str, image_shape))})"
        raise InvalidInput([Problem("points", message)])
    points = points_QCHW.to(reference)
    directions = _unit(torch.randn(points.shape, generator=generator(seed, STREAM)).to(points))
    tolerance = max(config.tolerance, ROUNDINGS * torch.finfo(points.dtype).eps)
    largest, iterations, converged = 0.0, 0, False
    with steady(model):
        with torch.no_grad(), running(model, points):
            centres_QK = model(points)
        while not converged and iterations < config.max_iterations:
            lengths_Q, gradient = _stretched(model, points, centres_QK, directions)
            largest = _larger(largest, lengths_Q)
            moved = _unit(gradient, otherwise=directions)
            converged = float((moved - directions).flatten(1).norm(dim=1).max()) < tolerance
            directions, iterations = moved, iterations + 1
        with torch.no_grad():
            lengths_Q = (model(points + directions) - centres_QK).flatten(1).norm(dim=1)
    return LipschitzEstimate(_larger(largest, lengths_Q), iterations, converged)


def _stretched(model: nn.Module, points: Tensor, centres_QK: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """||g(v)|| of each point, (Q,), and the gradient of its square."""
    with torch.enable_grad():
        directions = directions.detach().requires_grad_()
        squares_Q = (model(points + directions) - centres_QK).flatten(1).square().sum(dim=1)
        (gradient,) = torch.autograd.grad(squares_Q.sum(), directions)
    return squares_Q.detach().sqrt(), gradient


def _unit(directions: Tensor, otherwise: Tensor | None = None) -> Tensor:
    """Each direction with length 1; one without length, where the logits are flat, stays what it was."""
    lengths = directions.flatten(1).norm(dim=1).view(-1, *[1] * (directions.dim() - 1))
    unit = directions / lengths
    return unit if otherwise is None else torch.where(lengths > 0, unit, otherwise)


def _larger(largest: float, lengths_Q: Tensor) -> float:
    found = float(lengths_Q.max())
    if not math.isfinite(found):
        message = f"gives logits that are {found} near the origin or the points; check its weights for NaN"
        raise InvalidInput([Problem("model", message)])
    return max(largest, found)
