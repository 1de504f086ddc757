import numpy as np
import pytest
import torch

from framework.errors import InvalidInput
from framework.ssl.diagnostics import std_batch, std_feature, std_view
from tests.framework.ssl.diagnostics.conftest import cube
from tests.second_device import DEVICE, SecondDevice

V, B, F = 3, 5, 4


def deviation(numbers):
    middle = sum(numbers) / len(numbers)
    return (sum((number - middle) ** 2 for number in numbers) / (len(numbers) - 1)) ** 0.5


def test_each_is_its_formula():
    z = cube().numpy()
    expected = np.mean([deviation(z[v, :, f]) for v in range(V) for f in range(F)])
    assert std_batch(z) == pytest.approx(expected)
    expected = np.mean([deviation(z[v, b]) for v in range(V) for b in range(B)])
    assert std_feature(z) == pytest.approx(expected)
    expected = np.mean([deviation(z[:, b, f]) for b in range(B) for f in range(F)])
    assert std_view(z) == pytest.approx(expected)


def test_what_is_constant_has_none():
    same_images = cube()[:, :1].expand(-1, 5, -1)
    assert std_batch(same_images) == 0
    assert std_view(cube()[:1].expand(3, -1, -1)) == 0
    assert std_feature(cube()[:, :, :1].expand(-1, -1, 4)) == pytest.approx(0, abs=1e-15)


def test_on_a_second_device():
    with SecondDevice():
        assert std_batch(cube().to(DEVICE)) == pytest.approx(std_batch(cube()))


@pytest.mark.parametrize(
    ("measure", "numbers", "told"),
    [
        (
            std_view,
            torch.ones(1, 3, 3),
            r"std_view: 1 problem\n  - numbers: has the shape \(1, 3, 3\).* 2 or more views",
        ),
        (std_batch, torch.ones(2, 1, 3), r"2 or more images"),
        (std_feature, torch.ones(2, 3, 1), r"2 or more features"),
        (std_batch, torch.ones(3, 3), r"has the shape \(3, 3\)"),
        (std_batch, torch.full((2, 2, 2), torch.nan), r"8 of 8 are NaN or infinite; the model"),
        (std_batch, "words", r"are no array of real numbers"),
        (std_batch, torch.ones(2, 2, 2) * 1j, r"are no array of real numbers"),
    ],
)
def test_what_cannot_be_used(measure, numbers, told):
    with pytest.raises(InvalidInput, match=told):
        measure(numbers)
