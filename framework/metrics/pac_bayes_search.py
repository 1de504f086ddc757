"""The σ of PAC-Bayes (equation (1) of `pac_bayes.py`), of all R draws and often at the price of a few.

No loss is below 0, so that no rise is below -L(θ). After k of the draws, with rises y, their mean over all is

    ȳ_R ≥ 1/R (Σ_{i ≤ k} y_i - (R - k) L(θ))                                                                    (2)

and a size is too large as soon as that is above the target. The draws that rose most at the last size go first.
That a size is too small is known with the last draw alone: rises are skewed, and a few alike tell nothing
of the one that decides. So σ is that of the plain search over all draws, for every seed.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from torch import nn

from framework.metrics.pac_bayes import MeanCase
from framework.metrics.perturbation import Answer, Batch, Objective, Sigma, bisect, compare, steady
from framework.metrics.spaces_config import PacBayesConfig, SigmaConfig


def pac_bayes_sigmas(
    model: nn.Module,
    batches: Sequence[Batch],
    config: PacBayesConfig,
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
        plain, magnitude = (MeanCase(objective, seed, form) for form in (None, eps))
        return (
            mean_case_sigma(plain, config, config.plain, target),
            mean_case_sigma(magnitude, config, config.magnitude, target),
        )


def mean_case_sigma(mean: MeanCase, config: PacBayesConfig, span: SigmaConfig, target: float) -> Sigma:
    """The σ within `span` at which (1) is on `target`, in nats. The model must be in eval mode."""
    evaluations = 0
    rises: dict[int, float] = {}  # of each draw the last one

    def answer(sigma: float) -> Answer:
        nonlocal evaluations
        order = sorted(range(config.draws), key=lambda draw: (-rises.get(draw, 0.0), draw))
        answered, found = answer_of_draws(
            partial(mean.rise, sigma=sigma), order, -mean.objective.loss, target, config.deviation_tolerance
        )
        evaluations += len(found)
        rises.update(found)
        return answered

    return replace(bisect(answer, span, config.depth, config.sigma_tolerance), evaluations=evaluations)


def answer_of_draws(
    rise: Callable[[int], float], order: Sequence[int], least: float, target: float, tolerance: float
) -> tuple[Answer, dict[int, float]]:
    """What the mean of `rise` over all draws in `order` says, and the rises that were needed to know it.

    A rise may be negative, but none is below `least`.
    """
    found: dict[int, float] = {}
    for draw in order:
        found[draw] = rise(draw)
        if not math.isfinite(found[draw]):
            return Answer.ABOVE, found  # a loss that overflows makes the mean infinite
        remaining = len(order) - len(found)
        at_least = (math.fsum(found.values()) + remaining * least) / len(order)  # equation (2)
        if remaining and compare(at_least, target, tolerance) is Answer.ABOVE:
            return Answer.ABOVE, found
    return compare(abs(statistics.fmean(found.values())), target, tolerance), found
