import math

import pytest
import torch

from framework.errors import InvalidInput
from framework.metrics.bounds import BOUND, Setting, bound, complexity, farther, flatness, scaled_complexity

SETTING = Setting(num_images=100, delta=0.05, eps=0.1)
REST = math.log(100 / 0.05) + 10  # 17.6009
OFFSET = torch.tensor([3.0, 0.0, -4.0])  # squared length 25, n = 3, log(2n/delta) = log 120


def slow_scaled(added, sigma, offset, setting):
    squared = sum(d * d for d in offset)
    total = 0.0
    for d in offset:
        numerator = setting.eps**2 + (sigma**2 + added) * squared / len(offset)
        total += math.log(numerator / (setting.eps**2 + sigma**2 * d * d))
    return total / 2 + math.log(setting.num_images / setting.delta) + 10


def test_flatness_is_one_over_sigma_squared():
    assert flatness(0.5) == 4


def test_complexities_of_a_hand_made_vector():
    assert complexity("worst", 0.5, OFFSET, SETTING) == pytest.approx(25 * math.log(120) / 0.25 + REST)
    assert complexity("worst", 0.5, OFFSET, SETTING) == pytest.approx(496.350, abs=1e-3)
    assert complexity("average", 0.5, OFFSET, SETTING) == pytest.approx(50 + REST)


def test_scaled_complexities_of_a_hand_made_vector():
    # eps² = .01, sigma² = .25: numerator .01 + 1.25 * 25/3 = 10.42667; denominators 2.26, .01, 4.01
    expected = 0.5 * math.log(10.4266667**3 / (2.26 * 0.01 * 4.01)) + REST
    assert scaled_complexity("average", 0.5, OFFSET, SETTING) == pytest.approx(expected)
    numerator = 0.01 + (0.25 + 4 * math.log(120)) * 25 / 3
    expected = 0.5 * math.log(numerator**3 / (2.26 * 0.01 * 4.01)) + REST
    assert scaled_complexity("worst", 0.5, OFFSET, SETTING) == pytest.approx(expected)


@pytest.mark.parametrize("sigma", [1e-4, 0.3, 20.0])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e6])
def test_scaled_complexities_equal_a_slow_twin(sigma, scale):
    offset = torch.randn(50, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * scale
    setting = Setting(5000, 0.1, 1e-3)
    for case, added in (("average", 1.0), ("worst", 4 * math.log(2 * 50 / 0.1))):
        expected = slow_scaled(added, sigma, offset.tolist(), setting)
        assert scaled_complexity(case, sigma, offset, setting) == pytest.approx(expected, rel=1e-9)


def test_single_precision_weights_are_summed_in_double():
    offset = torch.full((3_000_000,), 0.1)
    setting = Setting(1000)
    expected = 3_000_000 * float(offset[0]) ** 2 / 2 + math.log(1000 / 0.05) + 10
    assert complexity("average", 1.0, offset, setting) == pytest.approx(expected, rel=1e-12)


def test_the_bound():
    assert bound(198.0, SETTING) == 1
    assert math.isnan(bound(-1.0, SETTING))


def test_the_farther_initial_weights_count():
    weights = torch.tensor([1.0, 1.0])
    near, far = torch.tensor([1.0, 0.0]), torch.tensor([3.0, 0.0])
    assert farther(weights, [near, far]) is far
    assert farther(weights, [far, near]) is far
    assert farther(weights, []) is None


@pytest.mark.parametrize(
    ("values", "key"),
    [((1,), "num_images"), ((10, 0.0), "delta"), ((10, 1.0), "delta"), ((10, 0.1, 0.0), "eps")],
)
def test_a_setting_without_sense_is_refused(values, key):
    with pytest.raises(InvalidInput, match=f"{key}: is"):
        Setting(*values)


def test_everything_that_is_wrong_comes_together():
    with pytest.raises(InvalidInput, match="3 problems"):
        Setting(0, 2.0, math.nan)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_a_sigma_without_sense_is_refused(sigma):
    for measure in (
        lambda: flatness(sigma),
        lambda: complexity("worst", sigma, OFFSET, SETTING),
        lambda: scaled_complexity("average", sigma, OFFSET, SETTING),
    ):
        with pytest.raises(InvalidInput, match="sigma: is"):
            measure()


def test_the_metric_declares_what_it_is():
    assert BOUND.better == "lower"
