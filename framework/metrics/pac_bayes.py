"""PAC-Bayes measures: how large random perturbations must be for their mean loss to deviate by the target.

    deviation(σ) = |mean_r L(θ + u_r) - L(θ)|,  z_r ~ N(0, 1)                                                   (1)

    plain            u = σ z_r
    magnitude-aware  u_i = sqrt((σ θ_i)² + ε²) z_ri

σ is where (1) is the target, by bisection [1, appendix D]. A draw keeps its z for every σ. An answer of the
bisection needs no more draws than make it clear: from k of R draws, with rises y of mean ȳ, the mean of all is

    ȳ + b (x̄_R - x̄_k) ± t s sqrt(1/k - 1/R + (x̄_R - x̄_k)² / Σ(x - x̄_k)²)                                       (2)

with the rises x of all draws at the last σ for which all were taken, the slope b of y over x, the standard
deviation s of what it leaves, and Student's t of k - 2 degrees of freedom; without such a σ, with b = 0 and k - 1.
The draws end where (2) lies on one side of the target, or within the tolerance around it.

[1] Jiang, Neyshabur, Mobahi, Krishnan and Bengio, "Fantastic generalization measures and where to find
them", 2020.

Shapes: P weights, R draws.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy import special  # type: ignore[import-untyped]
from torch import Tensor, nn

from framework.metrics.bounds import Setting, complexity, flatness, scaled_complexity
from framework.metrics.metric import Metric
from framework.metrics.perturbation import Answer, Batch, Objective, Sigma, bisect, compare, generator, steady
from framework.metrics.spaces_config import PacBayesConfig

_RELATIVE, _ONE = "none", "one number for the network"

PAC_BAYES = {
    name: Metric(name=name, unit=unit, better="lower", reduction=_ONE)
    for name, unit in (
        ("pac_bayes_flatness", "1 / squared unit of the weights"),
        ("flatness_init", _RELATIVE),
        ("flatness_orig", _RELATIVE),
        ("pac_bayes_mag_flat", _RELATIVE),
        ("flatness_mag_init", _RELATIVE),
        ("flatness_mag_orig", _RELATIVE),
    )
}

STREAM = 2  # of the random numbers: no other measure may draw the same
LEAST_FREEDOM = 2  # of (2): of two draws that happen to be alike it says nothing


def normal(weights_P: Tensor, seed: int, draw: int) -> Tensor:
    """z of one draw, (P,) on the CPU's numbers, of the type and on the device of the weights."""
    return torch.randn(weights_P.shape, generator=generator(seed, STREAM, draw)).to(weights_P)


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


def mean_case_sigma(
    objective: Objective, config: PacBayesConfig, *, seed: int, target: float, eps: float | None = None
) -> Sigma:
    """The σ at which (1) is on `target`, in nats; magnitude-aware with `eps`. The model must be in eval mode."""
    weights_P = objective.weights_P
    evaluations = 0
    references: list[float] | None = None

    def answer(sigma: float) -> Answer:
        nonlocal evaluations, references
        deviations_P = sigma if eps is None else ((sigma * weights_P).square() + eps**2).sqrt()

        def rise(draw: int) -> float:
            return objective.at(normal(weights_P, seed, draw).mul_(deviations_P).add_(weights_P)) - objective.loss

        answered, found = sequential_answer(rise, config, target, references)
        if references is None and len(found) > config.draws / 2:
            # The answers that follow are for sizes near this one: the rest of the draws saves more than it costs.
            found += [rise(draw) for draw in range(len(found), config.draws)]
        evaluations += len(found)
        if len(found) == config.draws and all(map(math.isfinite, found)):
            references = found
        return answered

    span = config.plain if eps is None else config.magnitude
    return replace(bisect(answer, span, config.depth, config.sigma_tolerance), evaluations=evaluations)


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
        plain = mean_case_sigma(objective, config, seed=seed, target=target)
        return plain, mean_case_sigma(objective, config, seed=seed, target=target, eps=eps)


def pac_bayes_measures(
    weights_P: Tensor, initial_P: Tensor | None, sigmas: tuple[Sigma, Sigma], setting: Setting
) -> dict[str, float | None]:
    """The six measures by name; those from the initial weights are None where there are none."""
    plain, magnitude = (sigma.value for sigma in sigmas)
    moved_P = None if initial_P is None else weights_P - initial_P
    return {
        "pac_bayes_flatness": flatness(plain),
        "flatness_init": None if moved_P is None else complexity("average", plain, moved_P, setting),
        "flatness_orig": complexity("average", plain, weights_P, setting),
        "pac_bayes_mag_flat": flatness(magnitude),
        "flatness_mag_init": None
        if moved_P is None
        else scaled_complexity("average", magnitude, moved_P, setting),
        "flatness_mag_orig": scaled_complexity("average", magnitude, weights_P, setting),
    }
