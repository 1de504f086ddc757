import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from framework.errors import InvalidInput
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


@pytest.mark.parametrize("kind", ["linear", "affine"])
def test_a_relative_ridge_means_the_same_at_any_scale(kind):
    """Latents a thousand times as large: the map of the same λ is the same map, with weights a thousandth."""
    method = METHODS[kind](0.1, relative=True)
    near, far = method.fit(SOURCE, TARGET), method.fit(1000 * SOURCE, TARGET)
    np.testing.assert_allclose(1000 * far.weight, near.weight, rtol=1e-5, atol=1e-7)
    centred = SOURCE - SOURCE.mean(axis=0) if kind == "affine" else SOURCE
    same = METHODS[kind](0.1 * np.square(centred).sum() / SOURCE.shape[1]).fit(SOURCE, TARGET)
    np.testing.assert_allclose(near.weight, same.weight, rtol=1e-6)
    path = METHODS[kind](relative=True).fit_path(SOURCE, TARGET, [0.0, 0.1])
    np.testing.assert_allclose(path[0].weight, METHODS[kind]().fit(SOURCE, TARGET).weight)
    np.testing.assert_allclose(path[1].weight, near.weight)


def test_the_ridge_may_be_given_by_its_place():
    assert METHODS["affine"](0.1) == METHODS["affine"](ridge=0.1)
    assert METHODS["mlp"](0.1, epochs=3).ridge == 0.1
    with pytest.raises(InvalidInput, match="orthogonal has no λ"):
        METHODS["orthogonal"](0.1)
    with pytest.raises(InvalidInput, match="epoch: mlp has no such option; did you mean `epochs`"):
        METHODS["mlp"](0.1, epoch=3)


def test_beats_linear_by_its_bias():
    def error(method):
        mapped = METHODS[method]().fit(SOURCE, TARGET)(torch.tensor(SOURCE, dtype=torch.float32))
        return float((mapped - torch.tensor(TARGET)).square().mean())

    assert error("affine") < 0.2 * error("linear")
