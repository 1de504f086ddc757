"""Worst-case sharpness: how large a perturbation must be for ascent to raise the loss by the target deviation.

For weights θ and a size σ, each of the restarts r draws z from U(-½, ½) and climbs,

    u = clip(start),   u ← clip(u + step(∇L_b(θ + u))),  one batch b a step, in turn                            (1)
    deviation(σ) = max_r L(θ + u_r) - L(θ)                                                                      (2)

    plain            start = σ z_r,            clip: ||u|| ≤ σ,              step(g) = s σ g / ||g||
    magnitude-aware  start = σ (|θ| + ε) z_r,  clip: |u_i| ≤ σ (|θ_i| + ε),  step(g)_i = s σ (|θ_i| + ε) sign g_i

with a share s of σ: the steepest ascent within the norm of each form, which reaches its whole range at any σ. σ is
where (2) is the target, by bisection [1, appendix D]. A restart keeps its z for every σ. With a fixed step,
step(g) = s g, as in [1], the ascent mostly ends where it began, and (2) is that of random directions; how far the
worst restart came is told beside σ.

`sharpness_search.py` finds σ with a small part of the work.

[1] Jiang, Neyshabur, Mobahi, Krishnan and Bengio, "Fantastic generalization measures and where to find
them", 2020.

Shapes: P weights, R restarts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from framework.metrics.bounds import Setting, complexity, flatness, scaled_complexity
from framework.metrics.metric import Metric
from framework.metrics.perturbation import Objective, Sigma, generator
from framework.metrics.spaces_config import FixedStep, SharpnessConfig

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


class Climbed(NamedTuple):
    """Where one restart ended: the rise of its loss, in nats, and how far it came, as a share of σ, in [0, 2]."""

    rise: float
    moved: float


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
        self.known: dict[tuple[int, float], Climbed] = {}

    def deviations(self, restarts: Sequence[int], sigma: float) -> list[float]:
        """Of each restart the rise of its loss, in nats; those that are not known yet climb together."""
        asked = [restart for restart in restarts if (restart, sigma) not in self.known]
        if asked:
            ends_RP, moved_R = self._climb(asked, sigma)
            for end_P, moved, restart in zip(ends_RP, moved_R.tolist(), asked, strict=True):
                rise = self.objective.at(end_P) - self.objective.loss
                self.known[restart, sigma] = Climbed(rise, moved)
        return [self.known[restart, sigma].rise for restart in restarts]

    @torch.no_grad()
    def _climb(self, restarts: Sequence[int], sigma: float) -> tuple[Tensor, Tensor]:
        """Equation (1): θ + u of each restart, (R, P), and the way from its start, (R,)."""
        weights_P = self.objective.weights_P
        drawn_RP = sigma * torch.stack([start(weights_P, self.seed, restart) for restart in restarts])
        starts_RP = self._clip(drawn_RP if self._scale_P is None else drawn_RP * self._scale_P, sigma)
        ends_RP = starts_RP
        for step in range(self.config.ascent_steps):
            gradients_RP = self.objective.gradients(weights_P + ends_RP, step % len(self.objective.batches))
            ends_RP = self._clip(ends_RP + self._step(gradients_RP, sigma), sigma)
        return weights_P + ends_RP, self._length(ends_RP - starts_RP, sigma)

    def _step(self, gradients_RP: Tensor, sigma: float) -> Tensor:
        size = self.config.step.size
        if isinstance(self.config.step, FixedStep):
            return size * gradients_RP
        if self._scale_P is not None:
            return size * sigma * self._scale_P * gradients_RP.sign()
        lengths_R1 = torch.linalg.vector_norm(gradients_RP, dim=1, keepdim=True)
        ascent_RP: Tensor = torch.where(lengths_R1 > 0, size * sigma * gradients_RP / lengths_R1, 0.0)
        return ascent_RP

    def _clip(self, steps_RP: Tensor, sigma: float) -> Tensor:
        if self._scale_P is None:
            lengths_R1 = torch.linalg.vector_norm(steps_RP, dim=1, keepdim=True)
            clipped_RP: Tensor = steps_RP * (sigma / lengths_R1).clamp(max=1)
            return clipped_RP
        limits_P = sigma * self._scale_P
        return torch.clamp(steps_RP, -limits_P, limits_P)

    def _length(self, ways_RP: Tensor, sigma: float) -> Tensor:
        """Relative to the largest perturbation: a ball of radius σ, or the box of (|θ| + ε) σ."""
        largest = sigma if self._scale_P is None else sigma * float(torch.linalg.vector_norm(self._scale_P))
        lengths_R: Tensor = torch.linalg.vector_norm(ways_RP, dim=1) / largest
        return lengths_R


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
