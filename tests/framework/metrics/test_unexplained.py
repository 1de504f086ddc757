import math

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score

from framework.errors import InvalidInput
from framework.metrics.unexplained import UNEXPLAINED, variance_unexplained


def test_it_is_what_r2_of_all_columns_leaves():
    numbers = np.random.default_rng(0)
    y = numbers.normal(size=(40, 3)) * [1, 5, 0.1] + [3, -2, 0]
    predicted = y + numbers.normal(size=y.shape)
    wanted = 1 - r2_score(y, predicted, multioutput="variance_weighted")
    assert variance_unexplained(torch.from_numpy(predicted), torch.from_numpy(y)) == pytest.approx(wanted)
    assert UNEXPLAINED.better == "lower"


def test_the_mean_leaves_all_and_the_same_nothing():
    y = torch.rand(10, 2)
    assert variance_unexplained(y, y) == 0
    assert variance_unexplained(y.mean(dim=0).expand(10, 2), y) == pytest.approx(1, rel=1e-6)
    assert math.isnan(variance_unexplained(y, torch.ones(10, 2)))


def test_arrays_of_other_shapes_are_refused():
    with pytest.raises(InvalidInput, match=r"has the shape \(4, 2\) beside \(4, 3\)"):
        variance_unexplained(torch.rand(4, 2), torch.rand(4, 3))
