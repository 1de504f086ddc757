import numpy as np
import pytest
import torch
from lightly.loss.vicreg_loss import variance_loss

from framework.errors import InvalidInput
from framework.ssl import CubeLoss
from framework.ssl.parts import Cube
from tests.framework.ssl.conftest import tiny, views_of

V, B, F = 3, 4, 5
NAMES = list(Cube.model_fields)


def deviation(numbers):
    numbers = [float(number) for number in numbers]
    middle = sum(numbers) / len(numbers)
    return (sum((number - middle) ** 2 for number in numbers) / (len(numbers) - 1) + 1e-4) ** 0.5


def products(vector):
    """The squared entries off the diagonal of the covariance that one vector gives with itself."""
    vector = vector - vector.mean()
    n, total = len(vector), 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                total += (vector[i] * vector[j] / (n - 1)) ** 2
    return total / (n - 1)


def twin(name, z):
    if name == "var_feature":
        return np.mean([max(0, 1 - deviation(z[v, b])) for v in range(V) for b in range(B)])
    if name == "var_batch":
        return np.mean([max(0, 1 - deviation(z[v, :, f])) for v in range(V) for f in range(F)])
    if name == "var_view":
        return np.mean([deviation(z[:, b, f]) for b in range(B) for f in range(F)])
    if name == "cov_feature":
        return np.mean([products(z[:, :, f].ravel()) for f in range(F)])
    if name == "cov_batch":
        return np.mean([products(z[:, b].ravel()) for b in range(B)])
    return -np.mean([products(z[v].ravel()) for v in range(V)])


def projections(scale=0.8):
    return scale * torch.randn(V, B, F, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("name", NAMES)
def test_each_term_is_its_formula(name):
    z = projections()
    found = CubeLoss(Cube.parse({name: 1.0}))(z).item()
    assert found == pytest.approx(twin(name, z.numpy()), rel=1e-10)


def test_a_weighted_sum_of_all_six():
    z, weights = projections(), [1.0, 2.0, 0.5, -1.0, 3.0, 0.25]
    loss = CubeLoss(Cube.parse(dict(zip(NAMES, weights, strict=True))))(z)
    expected = sum(weight * twin(name, z.numpy()) for name, weight in zip(NAMES, weights, strict=True))
    assert loss.item() == pytest.approx(expected, rel=1e-10)


def test_the_variance_over_the_batch_is_that_of_vicreg():
    z = projections()
    expected = torch.stack([variance_loss(view) for view in z]).mean()
    torch.testing.assert_close(CubeLoss(Cube(var_batch=1.0))(z), expected)


def test_no_weight_no_loss():
    assert CubeLoss(Cube())(projections()) == 0
    assert Cube().weights == {}


@pytest.mark.parametrize("kind", ["byol", "lejepa"])
def test_beside_a_methods_own_loss(kind):
    plain, cubed = tiny(kind), tiny(kind, cube={"var_view": 2.0})
    torch.manual_seed(0)
    before = plain.loss(views_of(plain))
    torch.manual_seed(0)
    after = cubed.loss(views_of(cubed))
    extra = CubeLoss(Cube(var_view=2.0))(after.projections)
    torch.testing.assert_close(after.parts["cube"], extra)
    torch.testing.assert_close(after.total, before.total + extra)
    assert after.total.requires_grad


@pytest.mark.parametrize("shape", [(4, 5), (1, 4, 5), (2, 4, 1)])
def test_what_is_no_cube(shape):
    with pytest.raises(InvalidInput, match=r"allowed: \(V, B, F\), each 2 or more"):
        CubeLoss(Cube(var_view=1.0))(torch.zeros(shape))
