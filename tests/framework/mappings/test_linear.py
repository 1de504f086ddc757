import numpy as np
import pytest
from sklearn.linear_model import Ridge

from framework.mappings import METHODS

RNG = np.random.default_rng(0)
SOURCE, TARGET = RNG.normal(size=(50, 6)) + 1, RNG.normal(size=(50, 4)) + 3


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.mark.parametrize("ridge", [0.001, 1.0, 30.0])
def test_equals_scikit_learn_without_intercept(ridge):
    linear = METHODS["linear"](ridge=ridge).fit(SOURCE, TARGET)
    reference = Ridge(alpha=ridge, fit_intercept=False).fit(SOURCE, TARGET)
    np.testing.assert_allclose(linear.weight, reference.coef_, atol=1e-6)
    assert set(linear.state_dict()) == {"weight"}


def test_recovers_a_known_map(rng):
    weight = rng.normal(size=(4, 6))
    np.testing.assert_allclose(METHODS["linear"]().fit(SOURCE, SOURCE @ weight.T).weight, weight, atol=1e-5)
