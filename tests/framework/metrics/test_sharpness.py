import math

import pytest
import torch
from torch import nn

from framework.errors import ConfigError, InvalidInput
from framework.metrics.bounds import Setting
from framework.metrics.perturbation import Answer, Objective, Sigma, bisect, compare, flat, steady
from framework.metrics.sharpness import SHARPNESS, WorstCase, sharpness_measures, start
from framework.metrics.sharpness_search import sharpness_sigmas, worst_case_sigma
from framework.metrics.spaces_config import FixedStep, ProportionalStep, SharpnessConfig, SigmaConfig
from tests.benchmarks import naive_sharpness as naive
from tests.framework.metrics.networks import (
    batches_of,
    convolutional,
    dense,
    fitted,
    numbers,
    snapshot,
)
from tests.framework.threads import one_thread

__all__ = ["one_thread"]

CONFIG = SharpnessConfig(restarts=6, ascent_steps=5, depth=12)
FIXED = SharpnessConfig(restarts=6, ascent_steps=5, depth=12, step=FixedStep(size=0.1))
STEPS = pytest.mark.parametrize("config", [CONFIG, FIXED], ids=["proportional", "fixed"])
SIZES = (16, 16, 16)


class Landscape:
    """A loss that is known by its formula, in place of a network's."""

    at_once = 4

    def __init__(self, weights, loss):
        self.weights_P, self._loss, self.batches = weights, loss, [None, None]
        self.loss = self.at(weights)

    def at(self, weights):
        return float(self._loss(weights))

    def gradients(self, weights_RP, batch):
        return torch.func.vmap(torch.func.grad(self._loss))(weights_RP)


def trained(make=dense, shape=(1, 2, 3)):
    batches = batches_of(shape, SIZES)
    return fitted(make(), batches), batches


def sigma_of(landscape, config, eps=None, target=0.1):
    span = config.plain if eps is None else config.magnitude
    return worst_case_sigma(WorstCase(landscape, config, 0, eps), span, target)


EXACT = {"deviation_tolerance": 1e-6, "sigma_tolerance": 1e-9, "depth": 60}


@pytest.mark.parametrize("flat_directions", [1, 30, 3000])
@pytest.mark.parametrize("curvature", [1.0, 1e-3, 1e3])
def test_the_ascent_finds_the_one_steep_direction_at_its_defaults(flat_directions, curvature):
    """L = c/2 (u_1² + 0.01 Σ u_i²): the worst u lies along the first axis, so that c σ²/2 = 0.1."""
    steepness = torch.full((1 + flat_directions,), 0.01, dtype=torch.float64)
    steepness[0] = 1
    bowl = Landscape(0 * steepness, lambda w: curvature / 2 * (steepness * w.square()).sum())
    found = sigma_of(bowl, SharpnessConfig(plain=SigmaConfig(high=100), **EXACT))
    assert found.bracketed
    assert found.value == pytest.approx(math.sqrt(0.2 / curvature), rel=0.01)
    assert found.moved > 0.1
    if flat_directions > 1:  # what the published step of 0.01 measures is its own random start
        short = sigma_of(bowl, SharpnessConfig(plain=SigmaConfig(high=100), step=FixedStep(), **EXACT))
        assert curvature > 1 or short.moved < 0.2
        assert curvature > 1 or short.value > 1.2 * found.value


def test_at_its_defaults_no_direction_that_a_long_ascent_finds_is_much_worse():
    model, batches = trained()
    default = SharpnessConfig(restarts=5)
    long = SharpnessConfig(restarts=5, ascent_steps=400, step=ProportionalStep(size=0.02))
    for found, best in zip(*(sharpness_sigmas(model, batches, c, seed=0) for c in (default, long)), strict=True):
        assert found.bracketed
        assert found.value < 1.15 * best.value
        assert found.moved > 0.3


def test_a_flat_loss_moves_nothing_and_brackets_nothing():
    flat_loss = Landscape(torch.ones(3, dtype=torch.float64), lambda w: 0 * w.sum())
    for eps in (None, 0.01):
        found = sigma_of(flat_loss, CONFIG, eps)
        assert not found.bracketed
        assert found.moved == 0


def test_of_a_round_bowl_sigma_is_known():
    """L = 5 ||u||²: the ascent ends at ||u|| = σ, so that 5 σ² = 0.1."""
    bowl = Landscape(torch.zeros(300, dtype=torch.float64), lambda w: 5 * w.square().sum())
    found = sigma_of(bowl, SharpnessConfig(restarts=5, **EXACT))
    assert found.bracketed
    assert found.value == pytest.approx(math.sqrt(0.02), rel=1e-5)


@pytest.mark.parametrize("step", ["proportional", {"kind": "fixed", "size": 10}])
def test_of_a_slope_the_magnitude_aware_sigma_is_known(step):
    """L = g · w: a long ascent ends in the corner, u_i = σ (|w_i| + eps) sign(g_i)."""
    weights, slope = (torch.randn(50, generator=numbers(i), dtype=torch.float64) for i in (0, 1))
    plane = Landscape(weights, lambda w: w @ slope)
    found = sigma_of(plane, SharpnessConfig.parse({**EXACT, "step": step}), eps=0.01)
    assert found.value == pytest.approx(0.1 / float(slope.abs() @ (weights.abs() + 0.01)), rel=1e-4)


@STEPS
@pytest.mark.parametrize("eps", [None, 0.01])
def test_the_worst_restart_counts_and_not_the_best(config, eps):
    model, batches = trained()
    with steady(model):
        worst = WorstCase(Objective(model, batches), config, 3, eps)
        rises = worst.deviations(range(config.restarts), 0.4)
    expected = naive.worst_rise(model, batches, config, 3, eps, 0.4)
    assert max(rises) == pytest.approx(expected, rel=1e-9)
    assert min(rises) < 0.999 * max(rises)


@pytest.mark.parametrize("eps", [None, 0.01])
def test_starts_and_clips_equal_a_slow_twin(eps):
    model, batches = trained()
    with steady(model):
        objective = Objective(model, batches)
        config = CONFIG.model_copy(update={"ascent_steps": 0})
        found = WorstCase(objective, config, 3, eps)._climb([2], 0.8)[0][0] - objective.weights_P
        gradient = torch.randn(found.shape, generator=numbers(4), dtype=torch.float64)
        clipped = WorstCase(objective, config, 3, eps)._clip((found + gradient)[None], 0.8)[0]
    weights, z = objective.weights_P.tolist(), start(objective.weights_P, 3, 2).tolist()
    assert min(z) < -0.4
    assert max(z) > 0.4
    if eps is None:
        length = math.sqrt(sum((0.8 * number) ** 2 for number in z))
        first = [0.8 * number * min(1, 0.8 / length) for number in z]
        moved = [u + g for u, g in zip(first, gradient.tolist(), strict=True)]
        length = math.sqrt(sum(u * u for u in moved))
        second = [u * min(1, 0.8 / length) for u in moved]
    else:
        limits = [0.8 * (abs(w) + eps) for w in weights]
        first = [limit * number for limit, number in zip(limits, z, strict=True)]
        steps = zip(first, gradient.tolist(), limits, strict=True)
        second = [min(max(u + g, -limit), limit) for u, g, limit in steps]
    assert found.tolist() == pytest.approx(first)
    assert clipped.tolist() == pytest.approx(second)


@STEPS
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("make", "shape"), [(dense, (1, 2, 3)), (convolutional, (1, 8, 8))])
def test_sigmas_are_those_of_the_naive_search(make, shape, seed, config):
    model, batches = trained(make, shape)
    found = sharpness_sigmas(model, batches, config, seed=seed, eps=0.01)
    expected = naive.sharpness_sigmas(model, batches, config, seed=seed, target=0.1, eps=0.01)
    assert all(sigma.bracketed for sigma in found)
    tolerances = (7 / 2**12, 2 / 2**12)
    for sigma, known, tolerance, eps in zip(found, expected, tolerances, (None, 0.01), strict=True):
        if abs(sigma.value - known) > tolerance:  # both may end within the tolerance around the target
            rise = naive.worst_rise(model, batches, config, seed, eps, sigma.value)
            assert abs(rise - 0.1) <= config.deviation_tolerance
        assert sigma.evaluations < 4 * config.restarts


def test_without_a_tolerance_of_the_deviation_they_are_equal():
    model, batches = trained()
    config = CONFIG.model_copy(update={"deviation_tolerance": 0.0, "depth": 9})
    for seed in range(3):
        found = sharpness_sigmas(model, batches, config, seed=seed, eps=0.01)
        expected = naive.sharpness_sigmas(model, batches, config, seed=seed, target=0.1, eps=0.01)
        assert [sigma.value for sigma in found] == list(expected)


@pytest.mark.parametrize("span", [{"high": 1e-4}, {"low": 50, "high": 60}])
def test_a_range_that_does_not_hold_the_target_is_said(span):
    model, batches = trained()
    config = CONFIG.model_copy(update={"plain": SigmaConfig(**span), "sigma_tolerance": 0.0})
    plain, magnitude = sharpness_sigmas(model, batches, config, seed=0)
    assert not plain.bracketed
    end = span["high"] if "low" not in span else span["low"]
    assert plain.value == pytest.approx(end, rel=1e-3)
    assert magnitude.bracketed


def test_the_loss_is_the_mean_over_images_in_nats():
    model = dense()
    with torch.no_grad():
        model[3].weight.zero_()
        model[3].bias.zero_()
    with steady(model):
        assert Objective(model, batches_of((1, 2, 3), (7, 2))).loss == pytest.approx(math.log(4))


def test_batches_of_different_size_count_by_their_images():
    model, batches = dense().eval(), batches_of((1, 2, 3), (7, 2))
    assert Objective(model, batches).loss == pytest.approx(naive.loss(model, batches))


def test_gradients_together_are_those_alone():
    model, batches = trained()
    objective = Objective(model, batches)
    weights = objective.weights_P + torch.randn(3, len(objective.weights_P), generator=numbers(0)).double()
    assert objective.at_once > 1
    together = objective.gradients(weights, 1)
    objective.at_once = 1
    assert torch.allclose(objective.gradients(weights, 1), together)


def test_what_cannot_run_together_runs_alone():
    class Deciding(nn.Module):
        """Its path depends on a value, which no batched transform can follow."""

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 4).double()

        def forward(self, images):
            logits = self.layer(images.flatten(1))
            return logits if float(logits.detach().sum()) > 1e9 else 2 * logits

    torch.manual_seed(0)
    model, batches = Deciding(), batches_of((1, 2, 3), SIZES)
    found = sharpness_sigmas(model, batches, CONFIG, seed=0)
    expected = naive.sharpness_sigmas(model, batches, CONFIG, seed=0, target=0.1, eps=1e-3)
    assert [sigma.value for sigma in found] == pytest.approx(list(expected))


def test_the_same_seed_gives_the_same_and_the_model_is_left_alone():
    model, batches = convolutional().train(), batches_of((1, 8, 8), SIZES)
    model[1].eval()
    model[0].weight.requires_grad_(False)
    before = snapshot(model)
    first, second = (sharpness_sigmas(model, batches, CONFIG, seed=4) for _ in range(2))
    assert first == second
    assert first != sharpness_sigmas(model, batches, CONFIG, seed=5)
    assert snapshot(model) == before


def test_measures_and_their_absence():
    weights, initial = torch.tensor([1.0, 2.0]), torch.tensor([1.0, -1.0])
    sigmas = Sigma(0.5, True, 0.5), Sigma(0.25, True, 0.25)
    setting = Setting(100)
    found = sharpness_measures(weights, initial, sigmas, setting)
    rest = math.log(100 / 0.05) + 10
    assert set(found) == set(SHARPNESS)
    assert found["sharpness_flatness"] == 4
    assert found["sharpness_mag_flat"] == 16
    assert found["sharpness_init"] == pytest.approx(9 * math.log(80) / 0.25 + rest)
    assert found["sharpness_orig"] == pytest.approx(5 * math.log(80) / 0.25 + rest)
    top = 1e-6 + (0.0625 + 4 * math.log(80)) * 4.5
    divergence = 0.5 * (math.log(top / 1e-6) + math.log(top / (1e-6 + 0.0625 * 9)))
    assert found["sharpness_mag_init"] == pytest.approx(divergence + rest)
    absent = sharpness_measures(weights, None, sigmas, setting)
    assert absent["sharpness_init"] is absent["sharpness_mag_init"] is None
    assert absent["sharpness_orig"] == found["sharpness_orig"]


def test_bisection_and_its_ends():
    assert compare(0.05, 0.1, 0.01) is Answer.BELOW
    assert compare(0.105, 0.1, 0.01) is Answer.WITHIN
    assert compare(math.inf, 0.1, 0.01) is compare(math.nan, 0.1, 0.01) is Answer.ABOVE
    span = SigmaConfig(low=0, high=8)
    found = bisect(lambda s: Answer.BELOW if s < 3 else Answer.ABOVE, span, 50, 1e-6)
    assert found.value == pytest.approx(3, abs=1e-6)
    assert found.low <= 3
    assert not found.met
    assert bisect(lambda _: Answer.WITHIN, span, 50, 1e-6) == Sigma(4, True, 4)
    assert not bisect(lambda _: Answer.ABOVE, span, 50, 1e-6).bracketed


def test_bad_input_is_refused():
    with pytest.raises(ConfigError, match=r"plain\.low: is 2; allowed: below high \(1\)"):
        SharpnessConfig.parse({"plain": {"low": 2.0, "high": 1.0}})
    model, batches = trained()
    with pytest.raises(InvalidInput, match="batches: is empty"):
        sharpness_sigmas(model, [], CONFIG, seed=0)
    with pytest.raises(InvalidInput, match=r"bias: has shape \(5,\) in the initial weights; allowed: \(4,\)"):
        flat(
            {"1.weight": torch.zeros(4, 6), "1.bias": torch.zeros(5)},
            like=nn.Sequential(nn.Flatten(), nn.Linear(6, 4)),
        )
    with pytest.raises(InvalidInput, match="2 problems"):
        flat({}, like=nn.Linear(6, 4))
    with pytest.raises(InvalidInput, match="has no parameters"):
        flat(nn.ReLU())
    with torch.no_grad():
        model[1].weight[0, 0] = math.nan
    with pytest.raises(InvalidInput, match=r"1\.weight: holds NaN"):
        sharpness_sigmas(model, batches, CONFIG, seed=0)
