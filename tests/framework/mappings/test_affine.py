import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from framework.mappings import METHODS

RNG = np.random.default_rng(0)
SOURCE, TARGET = RNG.normal(size=(50, 6)), RNG.normal(size=(50, 4)) + 3


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.mark.parametrize("ridge", [0.001, 1.0, 30.0])
def test_equals_scikit_learn(ridge):
    affine, reference = METHODS["affine"](ridge=ridge).fit(SOURCE, TARGET), Ridge(alpha=ridge).fit(SOURCE, TARGET)
    np.testing.assert_allclose(affine.weight, reference.coef_, atol=1e-6)
    np.testing.assert_allclose(affine.bias, reference.intercept_, atol=1e-6)


def test_recovers_a_known_map_with_its_bias(rng):
    weight, bias = rng.normal(size=(4, 6)), rng.normal(size=4)
    affine = METHODS["affine"]().fit(SOURCE, SOURCE @ weight.T + bias)
    np.testing.assert_allclose(affine.weight, weight, atol=1e-5)
    np.testing.assert_allclose(affine.bias, bias, atol=1e-5)


def test_beats_linear_by_its_bias():
    def error(method):
        mapped = METHODS[method]().fit(SOURCE, TARGET)(torch.tensor(SOURCE, dtype=torch.float32))
        return float((mapped - torch.tensor(TARGET)).square().mean())

    assert error("affine") < 0.2 * error("linear")
