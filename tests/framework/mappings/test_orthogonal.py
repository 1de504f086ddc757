import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group

from framework.errors import InvalidInput
from framework.mappings import METHODS


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def fit(source, target):
    return METHODS["orthogonal"]().fit(source, target)


def test_recovers_a_known_rotation_and_translation(rng):
    source, rotation, shift = rng.normal(size=(40, 5)) + 2, ortho_group.rvs(5, random_state=0), rng.normal(size=5)
    mapping = fit(source, source @ rotation.T + shift)
    np.testing.assert_allclose(mapping.weight, rotation, atol=1e-6)
    np.testing.assert_allclose(mapping.bias, shift, atol=1e-5)


def test_equals_scipy_on_centred_latents(rng):
    source, target = rng.normal(size=(40, 5)) + 2, rng.normal(size=(40, 5)) - 1
    mapping = fit(source, target)
    expected, _ = orthogonal_procrustes(source - source.mean(0), target - target.mean(0))
    np.testing.assert_allclose(mapping.weight, expected.T, atol=1e-6)
    np.testing.assert_allclose(
        mapping.weight.numpy() @ source.mean(0) + mapping.bias.numpy(), target.mean(0), atol=1e-5
    )


@pytest.mark.parametrize("n", [1, 2, 40])
@pytest.mark.parametrize("target_dim", [5, 9])
def test_it_is_an_isometry_also_into_more_dimensions(n, target_dim, rng):
    mapping = fit(rng.normal(size=(n, 5)), rng.normal(size=(n, target_dim)))
    np.testing.assert_allclose(mapping.weight.T @ mapping.weight, np.eye(5), atol=1e-6)
    np.testing.assert_allclose(mapping.singular_values(), 1, atol=1e-6)


def test_no_other_isometry_is_nearer(rng):
    source, target = rng.normal(size=(30, 3)), rng.normal(size=(30, 5))
    mapping = fit(source, target)

    def error(rotation):
        return (((source - source.mean(0)) @ rotation.T - (target - target.mean(0))) ** 2).sum()

    best = error(mapping.weight.numpy())
    others = [error(ortho_group.rvs(5, random_state=seed)[:, :3]) for seed in range(200)]
    near = [error(np.linalg.qr(mapping.weight.numpy() + 0.01 * rng.normal(size=(5, 3)))[0] * [-1, -1, -1])]
    assert best < min(others + near)


def test_fewer_target_dimensions_are_refused(rng):
    with pytest.raises(InvalidInput, match="z_target: has 4 dimensions where z_source has 5; an isometry"):
        fit(rng.normal(size=(9, 5)), rng.normal(size=(9, 4)))
