import warnings

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group

from framework.errors import InvalidInput
from framework.mappings import METHODS, MappingWarning, load_mapping


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def fit(source, target, **options):
    return METHODS["orthogonal"](**options).fit(source, target)


def errors(mapping, source, target):
    return ((mapping(source) - target) ** 2).sum()


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


SCALINGS = ("none", "isotropic", "standardised")


@pytest.mark.parametrize("target_dim", [5, 8])
def test_a_rotation_scale_and_shift_are_recovered_by_isotropic(target_dim, rng):
    source, rotation = rng.normal(size=(40, 5)) * [1, 2, 3, 4, 5] + 2, ortho_group.rvs(target_dim, random_state=0)
    target = 0.035 * source @ rotation[:, :5].T + rng.normal(size=target_dim)
    mapping = fit(source, target, scaling="isotropic")
    np.testing.assert_allclose(mapping.weight, 0.035 * rotation[:, :5], atol=1e-7)
    np.testing.assert_allclose(mapping(source), target, atol=1e-6)
    np.testing.assert_allclose(mapping.singular_values(), 0.035, rtol=1e-5)
    assert errors(fit(source, target), source, target) > 100


@pytest.mark.parametrize("sizes", [(5, 5), (3, 6), (6, 3)])
def test_no_other_scale_is_nearer(sizes, rng):
    source, target = rng.normal(size=(40, sizes[0])), rng.normal(size=(40, sizes[1]))
    source, target = source - source.mean(0), target - target.mean(0)
    if sizes[0] > sizes[1]:
        with pytest.warns(MappingWarning):
            rotation, scaled = fit(source, target), fit(source, target, scaling="isotropic")
    else:
        rotation, scaled = fit(source, target), fit(source, target, scaling="isotropic")
    turned = rotation(source)
    scale = float(scaled.weight.norm() / rotation.weight.norm())
    (expected,), *_ = np.linalg.lstsq(turned.reshape(-1, 1), target.ravel(), rcond=None)
    assert scale == pytest.approx(expected, rel=1e-5)
    if sizes[0] <= sizes[1]:  # the closed form tr(Σ) / ||X||², by scipy
        wide = np.pad(source, ((0, 0), (0, sizes[1] - sizes[0])))
        assert scale == pytest.approx(orthogonal_procrustes(wide, target)[1] / (source**2).sum(), rel=1e-5)


def test_scales_of_each_dimension_are_recovered_by_standardised(rng):
    white = np.linalg.qr(rng.normal(size=(60, 5)) - rng.normal(size=(60, 5)).mean(0))[0]
    white = np.linalg.qr(white - white.mean(0))[
        0
    ]  # uncorrelated, of one variance: standardising leaves a rotation
    rotation = ortho_group.rvs(5, random_state=0)
    source = white * [1, 1e-3, 40, 7, 0.2] + [5, 1, 0, -3, 2]
    target = white @ rotation.T * [9, 0.01, 1, 300, 2] - 4
    np.testing.assert_allclose(fit(source, target, scaling="standardised")(source), target, rtol=1e-4, atol=1e-4)
    assert errors(fit(source, target, scaling="isotropic"), source, target) > 100


def test_standardised_is_a_rotation_between_standardised_latents(rng):
    source, target = rng.normal(size=(40, 5)) * [1, 2, 3, 4, 5] + 2, rng.normal(size=(40, 5)) - 1
    (x, y) = ((z - z.mean(0)) / z.std(0) for z in (source, target))
    expected = x @ orthogonal_procrustes(x, y)[0] * target.std(0) + target.mean(0)
    np.testing.assert_allclose(fit(source, target, scaling="standardised")(source), expected, atol=1e-5)


def test_a_constant_dimension_is_left_out_of_standardised(rng):
    source, target = rng.normal(size=(40, 4)), rng.normal(size=(40, 4))
    source[:, 1], target[:, 2] = 7, -3
    mapping = fit(source, target, scaling="standardised")
    assert (mapping.weight[:, 1] == 0).all()
    np.testing.assert_allclose(mapping(source)[:, 2], -3, atol=1e-6)
    assert np.isfinite(mapping(rng.normal(size=(9, 4)))).all()


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("sizes", [(5, 3), (3, 5)])
def test_the_smaller_space_is_padded_with_zeros(scaling, sizes, rng):
    source, target = rng.normal(size=(40, sizes[0])), rng.normal(size=(40, sizes[1])) + 2
    if scaling == "standardised":
        source, target = ((z - z.mean(0)) / z.std(0) for z in (source, target))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mapping = fit(source, target, scaling=scaling)
    assert len(caught) == (sizes[0] > sizes[1])
    wide = [np.pad(z - z.mean(0), ((0, 0), (0, 5 - z.shape[1]))) for z in (source, target)]
    expected = (wide[0] @ orthogonal_procrustes(*wide)[0])[:, : sizes[1]]
    mapped = mapping(source) - target.mean(0)
    if scaling == "isotropic":
        expected *= (expected * wide[1][:, : sizes[1]]).sum() / (expected**2).sum()
    np.testing.assert_allclose(mapped, expected, atol=1e-5)


def test_fewer_target_dimensions_are_said(rng):
    with pytest.warns(MappingWarning, match="orthogonal, 5 → 4 dimensions: no isometry maps into fewer"):
        mapping = fit(rng.normal(size=(9, 5)), rng.normal(size=(9, 4)))
    np.testing.assert_allclose(mapping.weight @ mapping.weight.T, np.eye(4), atol=1e-6)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_few_samples_give_numbers(scaling, n, rng):
    source, target = rng.normal(size=(n, 5)), rng.normal(size=(n, 6))
    mapped = fit(source, target, scaling=scaling)(source)
    np.testing.assert_allclose(mapped.mean(0), target.mean(0), atol=1e-5)


def test_another_scaling_is_refused():
    with pytest.raises(InvalidInput, match="scaling: is 'full'; allowed: none, isotropic, standardised"):
        METHODS["orthogonal"](scaling="full")


@pytest.mark.parametrize("scaling", SCALINGS)
def test_every_scaling_is_saved_in_one_form(scaling, rng, tmp_path):
    source, target = rng.normal(size=(40, 5)), rng.normal(size=(40, 5))
    mapping = fit(source, target, scaling=scaling)
    mapping.save(tmp_path)
    np.testing.assert_array_equal(load_mapping(tmp_path)(source), mapping(source))
