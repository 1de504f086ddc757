import math
import statistics

import numpy as np
import pytest
import torch

from framework.errors import InvalidInput
from framework.metrics.bounds import Setting
from framework.metrics.pac_bayes import PAC_BAYES, MeanCase, normal, pac_bayes_measures
from framework.metrics.pac_bayes_search import (
    expected_mean,
    mean_case_sigma,
    pac_bayes_sigmas,
    sequential_answer,
)
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
EXACT = PacBayesConfig(deviation_tolerance=1e-7, sigma_tolerance=1e-9, depth=60, certainty=0.999999)
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
    assert sigma_of(hill) == sigma_of(bowl)


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
    for sigma, known, eps in zip(found, expected, (None, 0.01), strict=True):
        if abs(sigma.value - known) > 1e-3:  # both may end within the tolerance around the target
            rise = naive.mean_rise(model, batches, CONFIG, seed, eps, sigma.value)
            assert abs(rise - 0.1) <= 1.2 * CONFIG.deviation_tolerance


def test_an_interval_holds_the_mean_of_all_draws_as_often_as_it_says():
    rng = np.random.default_rng(0)
    for share in (0.0, 0.9):  # of the scatter that the rises at the other size tell
        held = 0
        for _ in range(2000):
            references = rng.normal(size=20)
            rises = share * references + math.sqrt(1 - share**2) * rng.normal(size=20) + 1
            mean, margin = expected_mean(rises[:6].tolist(), 20, 0.9, references.tolist())
            held += abs(rises.mean() - mean) <= margin
        assert 0.87 < held / 2000 < 0.93


def test_references_make_the_interval_narrower():
    rng = np.random.default_rng(0)
    references = rng.normal(size=20)
    rises = 2 * references + 0.01 * rng.normal(size=20)
    with_them = expected_mean(rises[:6].tolist(), 20, 0.99, references.tolist())
    without = expected_mean(rises[:6].tolist(), 20, 0.99)
    assert with_them[1] < 0.1 * without[1]
    assert with_them[0] == pytest.approx(rises.mean(), abs=0.05)


def test_early_answers_are_those_of_all_draws():
    rng = np.random.default_rng(0)
    config = PacBayesConfig(draws=20)
    wrong = drawn = 0
    for _ in range(500):
        rises = rng.normal(rng.uniform(-0.2, 0.3), 0.03, size=20)
        answer, found = sequential_answer(lambda draw, rises=rises: float(rises[draw]), config, 0.1)
        wrong += answer is not compare(abs(rises.mean()), 0.1, config.deviation_tolerance)
        drawn += len(found)
    assert wrong / 500 < 0.02
    assert drawn / 500 < 12


def test_a_loss_that_overflows_is_above_the_target():
    config = PacBayesConfig(draws=20)
    answer, found = sequential_answer(lambda _: math.inf, config, 0.1)
    assert (answer.value, len(found)) == ("above", 1)


def test_draws_that_are_alike_end_at_once_and_too_few_do_not():
    assert len(sequential_answer(lambda _: 0.5, PacBayesConfig(draws=20), 0.1)[1]) == 3
    assert expected_mean([0.5, 0.5], 20, 0.99) == (0.5, math.inf)


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
