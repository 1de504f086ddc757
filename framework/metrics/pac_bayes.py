"""PAC-Bayes measures: how large random perturbations must be for their mean loss to deviate by the target.

    deviation(σ) = |mean_r L(θ + u_r) - L(θ)|,  z_r ~ N(0, 1)                                                   (1)

    plain            u = σ z_r
    magnitude-aware  u_i = sqrt((σ θ_i)² + ε²) z_ri

σ is where (1) is the target, by bisection [1, appendix D]. A draw keeps its z for every σ. `pac_bayes_search.py`
finds it with a part of the draws.

[1] Jiang, Neyshabur, Mobahi, Krishnan and Bengio, "Fantastic generalization measures and where to find
them", 2020.

Shapes: P weights, R draws.
"""

import torch
from torch import Tensor

from framework.metrics.bounds import Setting, complexity, flatness, scaled_complexity
from framework.metrics.metric import Metric
from framework.metrics.perturbation import Objective, Sigma, generator

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


def normal(weights_P: Tensor, seed: int, draw: int) -> Tensor:
    """z of one draw, (P,) on the CPU's numbers, of the type and on the device of the weights."""
    return torch.randn(weights_P.shape, generator=generator(seed, STREAM, draw)).to(weights_P)


class MeanCase:
    """Equation (1), of single draws.

    Args:
        objective: The loss, of a model in eval mode.
        seed: Of the draws.
        eps: ε, for the magnitude-aware form; None for the plain one.
    """

    def __init__(self, objective: Objective, seed: int, eps: float | None) -> None:
        self.objective, self.seed, self.eps = objective, seed, eps

    def rise(self, draw: int, sigma: float) -> float:
        """L(θ + u) - L(θ) of one draw, in nats."""
        weights_P = self.objective.weights_P
        deviations_P = sigma if self.eps is None else ((sigma * weights_P).square() + self.eps**2).sqrt()
        perturbed_P = normal(weights_P, self.seed, draw).mul_(deviations_P).add_(weights_P)
        return self.objective.at(perturbed_P) - self.objective.loss


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
