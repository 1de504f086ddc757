import numpy as np
import pytest
import torch
from scipy.stats import ortho_group

from framework.mappings import METHODS, mapping_of


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def fit(source, target, **options):
    return METHODS["relative"](**options).fit(source, target)


def explained(mapping, source, target):
    """R²."""
    return 1 - ((mapping(source) - target) ** 2).sum() / ((target - target.mean(0)) ** 2).sum()


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


def test_a_rotation_and_a_shift_are_bridged_when_centred(rng):
    """Angles about the origin know nothing of a shift; about the mean of the anchors they are the same in both."""
    source = rng.normal(size=(300, 32))
    target = source @ ortho_group.rvs(32, random_state=0).T + 2
    anchors, new = slice(0, 200), slice(200, 300)
    about_origin, about_mean = (
        explained(fit(source[anchors], target[anchors], centred=centred), source[new], target[new])
        for centred in (False, True)
    )
    assert about_origin < -0.5
    assert about_mean > 0.9


@pytest.mark.parametrize("sizes", [(40, 6, 4), (40, 4, 6), (5, 5, 5)])
def test_centred_is_the_definition_about_the_means(sizes, rng):
    n, source_dim, target_dim = sizes
    source, target = rng.normal(size=(n, source_dim)) + 1, rng.normal(size=(n, target_dim)) - 1
    new = rng.normal(size=(20, source_dim))
    expected = slow(source - source.mean(0), target - target.mean(0), new - source.mean(0)) + target.mean(0)
    np.testing.assert_allclose(fit(source, target, centred=True)(new), expected, atol=2e-4)


def test_centred_keeps_digits_far_from_the_origin(rng):
    source, target = rng.normal(size=(40, 4)), rng.normal(size=(40, 4))
    near = fit(source, target, centred=True)(source)
    far = fit(1e3 + 1e-4 * source, 1e3 + 1e-4 * target, centred=True)(1e3 + 1e-4 * source)
    np.testing.assert_allclose((far - 1e3) / 1e-4, near, atol=1e-3)


def test_one_anchor_is_the_mean_of_all(rng):
    source, target = rng.normal(size=(1, 5)), rng.normal(size=(1, 4))
    mapped = fit(source, target, centred=True)(rng.normal(size=(3, 5)))
    np.testing.assert_allclose(mapped, np.repeat(target, 3, axis=0), atol=1e-6)


def test_those_saved_before_there_was_a_centred_form_are_read(rng):
    source, target = rng.normal(size=(40, 5)), rng.normal(size=(40, 4))
    mapping = fit(source, target)
    old = mapping_of("relative", {"weight": mapping.weight}, 5, 4)
    np.testing.assert_array_equal(old(source), mapping(source))
    again = mapping_of("relative", fit(source, target, centred=True).state_dict(), 5, 4)
    np.testing.assert_array_equal(again(source), fit(source, target, centred=True)(source))
