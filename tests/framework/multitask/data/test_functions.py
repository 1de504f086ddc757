"""The functions against their formulas, written once more by hand."""

import math
from typing import get_args

import pytest
import torch

from framework.multitask.data.config import OUTPUTS, POLES, Function
from framework.multitask.data.functions import evaluate

X = torch.linspace(-2, 2, 401, dtype=torch.float64)


def by_hand(x: float) -> list[float]:
    s = math.sin(-3 * math.pi * x)
    return [
        1 + 2 * (s - 0.4) if s < 0.4 else 1 - 3 * (s - 0.4),
        abs(s - 0.4) + 0.5,
        s * s - 0.5,
        1.0 if s > 0 else -1.0,
        s * s * s,
        math.sin(math.pi * s),
        0.7357 * math.exp(s) - 1,
    ]


def test_the_composite_sine_has_seven_outputs_of_one_inner_function():
    y = evaluate("composite_sine", X)
    assert y.shape == (401, 7)
    assert torch.allclose(y, torch.tensor([by_hand(float(x)) for x in X], dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize("name", get_args(Function))
def test_every_function_has_the_outputs_that_are_promised(name: str):
    x = X[X <= 1] if name in POLES else X
    y = evaluate(name, x)
    assert y.shape == (len(x), OUTPUTS[name])
    assert y.dtype == torch.float64
    assert bool(torch.isfinite(y).all())


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("scaled_forrester", 1.0, 1.0),  # (6 - 2)² sin(12 - 4), the value that is scaled to 1
        ("scaled_forrester", 2 * 0.75724877 - 1, -1.0),  # Forrester's minimum, -6.02074 at u = 0.757249
        ("scaled_levy", 0.1, -1.0),  # Levy's minimum, 0 at x = 1
        ("scaled_levy", -1.0, 1.0),
        ("scaled_one_kink", 0.4, 1.0),
        ("scaled_one_kink", -1.0, -1.0),
        ("scaled_absolute", 0.4, -1.0),
        ("scaled_absolute", -1.0, 1.0),
        ("scaled_squared", 1.0, 1.0),
        ("scaled_sine", 0.5, 1.0),
        ("sine", 0.5, 1.0),
        ("exp", 0.0, 0.7357 - 1),
        ("positive_to_negative", -0.1, 1.0),
        ("fast_sine", 0.1, math.sin(2.0)),
        ("scaled_fast_sine_trend", 0.25, math.sin(-5.5 * math.pi / 4) / 5 + 0.2),
        ("chirp", 0.0, math.sin(1.1) * 0.5**0.9),
        ("scaled_chirp", 0.0, (math.sin(1.1) * 0.5**0.9 + 0.948031) / 1.938382 * 2 - 1),
        ("scaled_chirp_trend", 0.0, (0.5 * math.sin(1.1) * 0.5**0.9 + 0.25 - 0.7324646) / 2.46492193 * 2),
        ("pole_sine", 0.2, math.sin(-10.0)),
        ("scaled_pole_sine_trend", 0.0, math.sin(-10 / 1.21952) / 4),
    ],
)
def test_known_values(name: str, x: float, expected: float):
    (found,) = evaluate(name, torch.tensor([x], dtype=torch.float64))[0].tolist()
    assert found == pytest.approx(expected, abs=1e-5)


def test_three_functions_side_by_side():
    y = evaluate("kink_absolute_sine", X)
    for place, name in enumerate(("one_kink", "absolute", "sine")):
        assert torch.equal(y[:, place], evaluate(name, X)[:, 0])
