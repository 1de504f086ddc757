"""The σ of PAC-Bayes (equation (1) of `pac_bayes.py`) with a part of the draws.

An answer of the bisection needs no more draws than make it clear: from k of R draws, with rises y of mean ȳ, the
mean of all is

    ȳ + b (x̄_R - x̄_k) ± t s sqrt(1/k - 1/R + (x̄_R - x̄_k)² / Σ(x - x̄_k)²)                                       (2)

with the rises x of all draws at the last σ for which all were taken, the slope b of y over x, the standard
deviation s of what it leaves, and Student's t of k - 2 degrees of freedom; without such a σ, with b = 0 and k - 1.
The draws end where (2) lies on one side of the target, or within the tolerance around it.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from scipy import special  # type: ignore[import-untyped]
from torch import nn

from framework.metrics.pac_bayes import MeanCase
from framework.metrics.perturbation import Answer, Batch, Objective, Sigma, bisect, compare, steady
from framework.metrics.spaces_config import PacBayesConfig, SigmaConfig

LEAST_FREEDOM = 2  # of (2): of two draws that happen to be alike it says nothing


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
    references: list[float] | None = None

    def answer(sigma: float) -> Answer:
        nonlocal evaluations, references
        rise = partial(mean.rise, sigma=sigma)
        answered, found = sequential_answer(rise, config, target, references)
        if references is None and len(found) > config.draws / 2:
            # The answers that follow are for sizes near this one: the rest of the draws saves more than it costs.
            found += [rise(draw) for draw in range(len(found), config.draws)]
        evaluations += len(found)
        if len(found) == config.draws and all(map(math.isfinite, found)):
            references = found
        return answered

    return replace(bisect(answer, span, config.depth, config.sigma_tolerance), evaluations=evaluations)


def sequential_answer(
    rise: Callable[[int], float],
    config: PacBayesConfig,
    target: float,
    references: Sequence[float] | None = None,
) -> tuple[Answer, list[float]]:
    """What the mean of `rise` over all draws says, and the rises that it took; a rise may be negative.

    `references` are the rises of all draws at another σ.
    """
    found: list[float] = []
    for draw in range(config.draws):
        found.append(rise(draw))
        if not math.isfinite(found[-1]):
            return Answer.ABOVE, found  # a loss that overflows makes the mean infinite
        if len(found) == config.draws:
            break
        mean, margin = expected_mean(found, config.draws, config.certainty, references)
        ends = (max(0.0, abs(mean) - margin), abs(mean) + margin)  # of the interval, as deviations
        answers = {compare(end, target, config.deviation_tolerance) for end in ends}
        if len(answers) == 1:
            return answers.pop(), found
    return compare(abs(statistics.fmean(found)), target, config.deviation_tolerance), found


def expected_mean(
    found: Sequence[float], draws: int, certainty: float, references: Sequence[float] | None = None
) -> tuple[float, float]:
    """Equation (2): where the mean of all draws will lie, as its middle and margin, infinite of too few draws."""
    y = np.array(found)
    count = len(y)
    x = np.array(references if references is not None else np.zeros(draws))
    centred = x[:count] - x[:count].mean()
    spread = float(centred @ centred)
    freedom = count - 2 if spread else count - 1
    if freedom < LEAST_FREEDOM:
        return float(y.mean()), math.inf
    slope = float(centred @ y) / spread if spread else 0.0
    ahead = float(x.mean() - x[:count].mean())
    residuals = y - y.mean() - slope * centred
    deviation = math.sqrt(float(residuals @ residuals) / freedom)
    leverage = ahead**2 / spread if spread else 0.0
    student = float(special.stdtrit(freedom, (1 + certainty) / 2))
    margin = student * deviation * math.sqrt(1 / count - 1 / draws + leverage)
    return float(y.mean()) + slope * ahead, margin
