"""The σ of worst-case sharpness (equation (2) of `sharpness.py`) with a small part of the restarts' work.

Most of the work can be left out and the bisection still ends where the deviation is on target. One restart leads
the search alone. The others are then asked once, together, at the σ that it found: one whose deviation is above
takes the lead, and those below stay below for all smaller σ (a deviation is taken to grow with σ). Where an answer
of "above" is needed, one restart gives it. Asked at other sizes, it may end at another σ than plain bisection
does, where the deviations at both are within the tolerance around the target.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from torch import nn

from framework.metrics.perturbation import Answer, Batch, Objective, Sigma, bisect, compare, steady
from framework.metrics.sharpness import WorstCase
from framework.metrics.spaces_config import SharpnessConfig, SigmaConfig


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
        plain, magnitude = (WorstCase(objective, config, seed, form) for form in (None, eps))
        return worst_case_sigma(plain, config.plain, target), worst_case_sigma(magnitude, config.magnitude, target)


def worst_case_sigma(worst: WorstCase, span: SigmaConfig, target: float) -> Sigma:
    """The σ within `span` at which the deviation is on `target`, in nats. The model must be in eval mode."""
    config = worst.config
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
        for group in _groups(asked, worst.objective.at_once):
            rises = worst.deviations(group, found.low)
            for restart, rise in zip(group, rises, strict=True):
                if compare(rise, target, config.deviation_tolerance) is not Answer.ABOVE:
                    low_enough[restart] = found.low
            highest = group[rises.index(max(rises))]
            at_highest = answer(highest, found.low)
            if at_highest is Answer.ABOVE or (at_highest is Answer.WITHIN and not found.met):
                return highest
        return None

    while True:
        found = bisect(partial(answer, leader), span, config.depth, config.sigma_tolerance)
        next_leader = challenger(found) if found.low > span.low else None
        if next_leader is None:
            worst.deviations([leader], found.value)
            moved = worst.known[leader, found.value].moved
            return replace(found, evaluations=len(worst.known), moved=moved)
        leader = next_leader


def _groups(restarts: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for first in range(0, len(restarts), size):
        yield restarts[first : first + size]
