import numpy as np
import pytest
import torch

from framework.values import is_number, real_array


@pytest.mark.parametrize("value", [1, -2.5, np.float32(3), np.int64(4)])
def test_finite_real_numbers_are_numbers(value):
    assert is_number(value)
    assert is_number(value, whole=True) == (int(value) == value and not isinstance(value, float | np.floating))


@pytest.mark.parametrize("value", [True, "1", None, 1j, np.complex64(1), float("nan"), float("inf"), [1]])
def test_all_else_is_none(value):
    assert not is_number(value)


def test_imaginary_parts_are_not_lost():
    assert real_array([[1, 2]]).dtype == np.float64
    for values in (np.ones(2) + 1j, [1j], torch.ones(2).numpy().astype(np.complex64), ["a"]):
        with pytest.raises((TypeError, ValueError)):
            real_array(values)
