"""Worst-case sharpness: how large a perturbation must be for ascent to raise the loss by the target deviation.

For weights θ and a size σ, each of the restarts r draws z from U(-½, ½) and climbs,

    u = clip(start),   u ← clip(u + step · ∇L_b(θ + u)),  one batch b a step, in turn                           (1)
    deviation(σ) = max_r L(θ + u_r) - L(θ)                                                                      (2)

    plain            start = σ z_r,               clip: ||u|| ≤ σ
    magnitude-aware  start = σ (|θ| + ε) z_r,     clip: |u_i| ≤ σ (|θ_i| + ε)

σ is where (2) is the target, by bisection [1, appendix D]. A restart keeps its z for every σ.

Most of the work can be left out without changing what the bisection finds. One restart leads the search alone. The
others are then asked once, together, at the σ that it found: one whose deviation is above takes the lead, and
those below stay below for all smaller σ (a deviation is taken to grow with σ). Where an answer of "above" is
needed, one restart gives it.

[1] Jiang, Neyshabur, Mobahi, Krishnan and Bengio, "Fantastic generalization measures and where to find
them", 2020.

Shapes: P weights, R restarts.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from framework.metrics.bounds import Setting, complexity, flatness, scaled_complexity
from framework.metrics.metric import Metric
from framework.metrics.perturbation import Answer, Batch, Objective, Sigma, bisect, compare, generator, steady
from framework.metrics.spaces_config import SharpnessConfig

_RELATIVE, _ONE = "none", "one number for the network"

SHARPNESS = {
    name: Metric(name=name, unit=unit, better="lower", reduction=_ONE)
    for name, unit in (
        ("sharpness_flatness", "1 / squared unit of the weights"),
        ("sharpness_init", _RELATIVE),
        ("sharpness_orig", _RELATIVE),
        ("sharpness_mag_flat", _RELATIVE),
        ("sharpness_mag_init", _RELATIVE),
        ("sharpness_mag_orig", _RELATIVE),
    )
}

STREAM = 1  # of the random numbers: no other measure may draw the same


def start(objective_P: Tensor, seed: int, restart: int) -> Tensor:
    """z of one restart, (P,) on the CPU's numbers, of the type and on the device of the weights."""
    uniform_P = torch.rand(objective_P.shape, generator=generator(seed, STREAM, restart)) - 0.5
    return uniform_P.to(objective_P)


class WorstCase:
    """Equation (2) for single restarts, remembered.

    Args:
        objective: The loss, of a model in eval mode.
        config: Steps and restarts.
        seed: Of the starts.
        eps: ε, for the magnitude-aware form; None for the plain one.
    """

    def __init__(self, objective: Objective, config: SharpnessConfig, seed: int, eps: float | None) -> None:
        self.objective, self.config, self.seed = objective, config, seed
        weights_P = objective.weights_P
        self._scale_P = None if eps is None else weights_P.abs() + eps
        self.known: dict[tuple[int, float], float] = {}

    def deviations(self, restarts: Sequence[int], sigma: float) -> list[float]:
        """Of each restart the rise of its loss, in nats; those that are not known yet climb together."""
        asked = [restart for restart in restarts if (restart, sigma) not in self.known]
        if asked:
            objective = self.objective
            for weights_P, restart in zip(self._climb(asked, sigma), asked, strict=True):
                self.known[restart, sigma] = objective.at(weights_P) - objective.loss
        return [self.known[restart, sigma] for restart in restarts]

    @torch.no_grad()
    def _climb(self, restarts: Sequence[int], sigma: float) -> Tensor:
        weights_P = self.objective.weights_P
        starts = torch.stack([start(weights_P, self.seed, restart) for restart in restarts])
        steps_RP = self._clip(starts * sigma if self._scale_P is None else starts * (sigma * self._scale_P), sigma)
        for step in range(self.config.ascent_steps):
            gradients = self.objective.gradients(weights_P + steps_RP, step % len(self.objective.batches))
            steps_RP = self._clip(steps_RP.add_(gradients, alpha=self.config.step), sigma)
        return steps_RP.add_(weights_P)

    def _clip(self, steps_RP: Tensor, sigma: float) -> Tensor:
        if self._scale_P is None:
            lengths_R1 = torch.linalg.vector_norm(steps_RP, dim=1, keepdim=True)
            return steps_RP.mul_((sigma / lengths_R1).clamp_(max=1))
        limits_P = sigma * self._scale_P
        return torch.clamp(steps_RP, -limits_P, limits_P)


def worst_case_sigma(
    objective: Objective, config: SharpnessConfig, *, seed: int, target: float, eps: float | None = None
) -> Sigma:
    """The σ at which (2) is on `target`, in nats; magnitude-aware with `eps`. The model must be in eval mode."""
    worst = WorstCase(objective, config, seed, eps)
    span = config.plain if eps is None else config.magnitude
    ceiling = math.inf  # the smallest σ at which some restart was seen above the target
    low_enough = [-math.inf] * config.restarts  # the largest σ at which each was seen not to be
    leader = 0

    def answer(restart: int, sigma: float) -> Answer:
        nonlocal ceiling
        if sigma >= ceiling:
            return Answer.ABOVE
        found = compare(worst.deviations([restart], sigma)[0], target, config.deviation_tolerance)
        if found is Answer.ABOVE:
            ceiling = sigma
        else:
            low_enough[restart] = max(low_enough[restart], sigma)
        return found

    def challenger(found: Sigma) -> int | None:
        """A restart that is above where the leader ended, so that the σ of all is smaller."""
        asked = [r for r in range(config.restarts) if r != leader and low_enough[r] < found.low]
        for group in _groups(asked, objective.at_once):
            rises = worst.deviations(group, found.low)
            for restart, rise in zip(group, rises, strict=True):
                if compare(rise, target, config.deviation_tolerance) is not Answer.ABOVE:
                    low_enough[restart] = found.low
            highest = group[rises.index(max(rises))]
            there = answer(highest, found.low)
            if there is Answer.ABOVE or (there is Answer.WITHIN and not found.met):
                return highest
        return None

    while True:
        found = bisect(partial(answer, leader), span, config.depth, config.sigma_tolerance)
        next_leader = challenger(found) if found.low > span.low else None
        if next_leader is None:
            return replace(found, evaluations=len(worst.known))
        leader = next_leader


def _groups(restarts: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for first in range(0, len(restarts), size):
        yield restarts[first : first + size]


def sharpness_sigmas(
    model: nn.Module,
    batches: Sequence[Batch],
    config: SharpnessConfig,
    *,
    seed: int,
    target: float = 0.1,
    eps: float = 1e-3,
) -> tuple[Sigma, Sigma]:
    """The plain and the magnitude-aware σ of `model` on train `batches`; the model is left as it was.

    Raises:
        InvalidInput: no batches, or weights or a loss that are not finite.
    """
    with steady(model):
        objective = Objective(model, batches)
        plain = worst_case_sigma(objective, config, seed=seed, target=target)
        return plain, worst_case_sigma(objective, config, seed=seed, target=target, eps=eps)


def sharpness_measures(
    weights_P: Tensor, initial_P: Tensor | None, sigmas: tuple[Sigma, Sigma], setting: Setting
) -> dict[str, float | None]:
    """The six measures by name; those from the initial weights are None where there are none."""
    plain, magnitude = (sigma.value for sigma in sigmas)
    moved_P = None if initial_P is None else weights_P - initial_P
    return {
        "sharpness_flatness": flatness(plain),
        "sharpness_init": None if moved_P is None else complexity("worst", plain, moved_P, setting),
        "sharpness_orig": complexity("worst", plain, weights_P, setting),
        "sharpness_mag_flat": flatness(magnitude),
        "sharpness_mag_init": None if moved_P is None else scaled_complexity("worst", magnitude, moved_P, setting),
        "sharpness_mag_orig": scaled_complexity("worst", magnitude, weights_P, setting),
    }
