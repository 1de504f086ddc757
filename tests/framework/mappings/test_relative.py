import numpy as np
import pytest
import torch
from scipy.stats import ortho_group

from framework.mappings import METHODS


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def fit(source, target):
    return METHODS["relative"]().fit(source, target)


def slow(source, target, new):
    """The definition, one latent at a time."""
    mapped = []
    for z in new:
        cosines = [z @ a / np.linalg.norm(z) / np.linalg.norm(a) for a in source]
        directions = np.stack([b / np.linalg.norm(b) for b in target])
        mapped.append(np.mean([np.linalg.norm(b) for b in target]) * np.linalg.pinv(directions) @ cosines)
    return np.stack(mapped)


@pytest.mark.parametrize("sizes", [(40, 6, 4), (40, 4, 6), (3, 6, 4), (5, 5, 5)])
def test_equals_the_definition_on_new_points(sizes, rng):
    n, source_dim, target_dim = sizes
    source, target = rng.normal(size=(n, source_dim)) + 1, rng.normal(size=(n, target_dim)) - 1
    new = rng.normal(size=(20, source_dim))
    mapped = fit(source, target)(torch.tensor(new, dtype=torch.float32))
    np.testing.assert_allclose(mapped, slow(source, target, new), atol=2e-4)


@pytest.mark.parametrize("target_dim", [5, 8])
def test_spaces_that_differ_by_rotation_and_scale_are_joined_up_to_length(target_dim, rng):
    source = rng.normal(size=(40, 5))
    target = 3 * source @ ortho_group.rvs(target_dim, random_state=0)[:, :5].T
    mapped = fit(source, target)(torch.tensor(source, dtype=torch.float32)).numpy()
    lengths = np.linalg.norm(target, axis=1)
    np.testing.assert_allclose(mapped, target / lengths[:, None] * lengths.mean(), atol=1e-4)


def test_the_length_of_a_latent_plays_no_part_and_none_has_no_direction(rng):
    mapping = fit(rng.normal(size=(40, 5)), rng.normal(size=(40, 5)))
    z = torch.randn(6, 5)
    torch.testing.assert_close(mapping(z), mapping(100 * z))
    assert torch.equal(mapping(torch.zeros(2, 5)), torch.zeros(2, 5))


def test_anchors_without_direction_are_left_out(rng):
    source, target = rng.normal(size=(40, 5)), rng.normal(size=(40, 4))
    source[7], z = 0, torch.randn(3, 5)
    assert torch.isfinite(fit(source, target)(z)).all()
