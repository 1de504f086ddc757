import math
import statistics

import numpy as np
import pytest
import torch
from torch import nn

from framework.errors import InvalidInput
from framework.metrics.bounds import Setting
from framework.metrics.pac_bayes import PAC_BAYES, MeanCase, normal, pac_bayes_measures
from framework.metrics.pac_bayes_search import answer_of_draws, mean_case_sigma, pac_bayes_sigmas
from framework.metrics.perturbation import Sigma, compare
from framework.metrics.spaces_config import PacBayesConfig, SigmaConfig
from tests.benchmarks import naive_sharpness as naive
from tests.framework.metrics.networks import (
    batches_of,
    convolutional,
    dense,
    fitted,
    numbers,
    snapshot,
)
from tests.framework.metrics.test_sharpness import Landscape
from tests.framework.threads import one_thread

__all__ = ["one_thread"]

CONFIG = PacBayesConfig(draws=12, depth=16, plain=SigmaConfig(high=1), magnitude=SigmaConfig(high=4))
EXACT = PacBayesConfig(deviation_tolerance=1e-7, sigma_tolerance=1e-9, depth=60)
SIZES = (16, 16, 16)


def trained(make=dense, shape=(1, 2, 3)):
    batches = batches_of(shape, SIZES)
    return fitted(make(), batches), batches


def sigma_of(landscape, eps=None):
    span = EXACT.plain if eps is None else EXACT.magnitude
    return mean_case_sigma(MeanCase(landscape, 0, eps), EXACT, span, 0.1)


def test_of_a_round_bowl_sigma_is_known():
    """L = c ||u||²: the mean rise is c σ² times the mean of the drawn ||z||²."""
    weights = torch.zeros(40, dtype=torch.float64)
    bowl = Landscape(weights, lambda w: 30 * w.square().sum())
    mean = statistics.fmean(float(normal(weights, 0, draw).square().sum()) for draw in range(EXACT.draws))
    found = sigma_of(bowl)
    assert found.bracketed
    assert found.value == pytest.approx(math.sqrt(0.1 / 30 / mean), rel=1e-4)


def test_a_fall_of_the_loss_is_a_deviation_too():
    weights = torch.zeros(40, dtype=torch.float64)
    hill = Landscape(weights, lambda w: -30 * w.square().sum())
    bowl = Landscape(weights, lambda w: 30 * w.square().sum())
    assert sigma_of(hill).value == sigma_of(bowl).value


def test_magnitude_aware_perturbations_have_the_standard_deviation_that_is_written():
    """L = ||w||² - 2 w·θ: the mean rise is that of Σ u_i², u_i = sqrt((σ θ_i)² + ε²) z_i."""
    weights = torch.randn(40, generator=numbers(0), dtype=torch.float64)
    bowl = Landscape(weights, lambda w: (w - weights).square().sum())
    eps, sigma = 0.01, sigma_of(bowl, 0.01).value
    rises = [
        sum(
            (math.sqrt((sigma * w) ** 2 + eps**2) * z) ** 2
            for w, z in zip(weights.tolist(), normal(weights, 0, draw).tolist(), strict=True)
        )
        for draw in range(EXACT.draws)
    ]
    assert statistics.fmean(rises) == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("make", "shape"), [(dense, (1, 2, 3)), (convolutional, (1, 8, 8))])
def test_sigmas_are_those_of_the_naive_search(make, shape, seed):
    model, batches = trained(make, shape)
    found = pac_bayes_sigmas(model, batches, CONFIG, seed=seed, eps=0.01)
    expected = naive.pac_bayes_sigmas(model, batches, CONFIG, seed=seed, target=0.1, eps=0.01)
    assert all(sigma.bracketed for sigma in found)
    assert tuple(sigma.value for sigma in found) == expected


class TwoWeights(nn.Module):
    """The logits are the weights, w = (3, -1), whatever it is given: most draws hardly rise, and few rise far."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([3.0, -1.0]))

    def forward(self, inputs):
        return self.w.expand(len(inputs), -1)


@pytest.mark.parametrize("seed", range(10))
def test_rises_that_are_skewed_are_averaged_over_all_draws(seed):
    batches = [(torch.zeros(4, 1), torch.zeros(4, dtype=torch.long))]
    config = PacBayesConfig(draws=400, plain=SigmaConfig(high=20), magnitude=SigmaConfig(high=20))
    found = pac_bayes_sigmas(TwoWeights(), batches, config, seed=seed)
    assert tuple(sigma.value for sigma in found) == naive.pac_bayes_sigmas(
        TwoWeights(), batches, config, seed=seed, target=0.1, eps=1e-3
    )
    # Of all draws the margin 4 + σ s z has s = √10 (magnitude-aware) and √2: the integrals give these.
    assert found[0].value == pytest.approx(1.627, rel=0.15)
    assert found[1].value == pytest.approx(0.7275, rel=0.15)


def test_early_answers_are_those_of_all_draws():
    rng = np.random.default_rng(0)
    early = 0
    for _ in range(500):
        rises = np.maximum(rng.exponential(rng.uniform(0, 0.4), size=20) - 0.05, -0.05)
        order = rng.permutation(20).tolist()
        answer, found = answer_of_draws(lambda draw, rises=rises: float(rises[draw]), order, -0.05, 0.1, 0.005)
        assert answer is compare(abs(rises.mean()), 0.1, 0.005)
        assert list(found) == order[: len(found)]
        early += len(found) < 20
    assert early > 150


def test_a_loss_that_overflows_is_above_the_target():
    answer, found = answer_of_draws(lambda _: math.inf, range(20), 0.0, 0.1, 0.005)
    assert (answer.value, len(found)) == ("above", 1)


def test_a_range_that_does_not_hold_the_target_is_said():
    model, batches = trained()
    config = CONFIG.model_copy(update={"plain": SigmaConfig(high=1e-6), "magnitude": SigmaConfig(low=50, high=60)})
    assert [sigma.bracketed for sigma in pac_bayes_sigmas(model, batches, config, seed=0)] == [False, False]


def test_the_same_seed_gives_the_same_and_the_model_is_left_alone():
    model, batches = convolutional().train(), batches_of((1, 8, 8), SIZES)
    model[1].eval()
    model[0].weight.requires_grad_(False)
    before = snapshot(model)
    first, second = (pac_bayes_sigmas(model, batches, CONFIG, seed=4) for _ in range(2))
    assert first == second
    assert first != pac_bayes_sigmas(model, batches, CONFIG, seed=5)
    assert snapshot(model) == before


def test_measures_and_their_absence():
    weights, initial = torch.tensor([1.0, 2.0]), torch.tensor([1.0, -1.0])
    sigmas = Sigma(0.5, True, 0.5), Sigma(0.25, True, 0.25)
    found = pac_bayes_measures(weights, initial, sigmas, Setting(100))
    rest = math.log(100 / 0.05) + 10
    assert set(found) == set(PAC_BAYES)
    assert found["pac_bayes_flatness"] == 4
    assert found["pac_bayes_mag_flat"] == 16
    assert found["flatness_init"] == pytest.approx(18 + rest)
    assert found["flatness_orig"] == pytest.approx(10 + rest)
    top = 1e-6 + (0.0625 + 1) * 4.5
    divergence = 0.5 * (math.log(top / 1e-6) + math.log(top / (1e-6 + 0.0625 * 9)))
    assert found["flatness_mag_init"] == pytest.approx(divergence + rest)
    absent = pac_bayes_measures(weights, None, sigmas, Setting(100))
    assert absent["flatness_init"] is absent["flatness_mag_init"] is None
    assert absent["flatness_mag_orig"] == found["flatness_mag_orig"]


def test_weights_that_are_not_finite_are_refused():
    model, batches = trained()
    with torch.no_grad():
        model[3].bias[0] = math.inf
    with pytest.raises(InvalidInput, match=r"3\.bias: holds NaN or infinite weights"):
        pac_bayes_sigmas(model, batches, CONFIG, seed=0)
