import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from framework.mappings import METHODS, MappingWarning
from framework.mappings.decouple import objective
from tests.framework.mappings.test_decouple import RIDGES, by_adam, by_torch, cycle_error, latents, parts, solved


@pytest.mark.parametrize("shape", [(60, 5, 5), (60, 4, 6), (60, 6, 4)])
def test_without_ridge_it_is_two_affine_fits(shape):
    z, y = latents(*shape, shift=3)
    (maps,) = solved(z, y, [0.0], bias=True)
    there, back = LinearRegression().fit(z, y), LinearRegression().fit(y, z)
    np.testing.assert_allclose(maps.a1, there.coef_, atol=1e-8)
    np.testing.assert_allclose(maps.b1, there.intercept_, atol=1e-8)
    np.testing.assert_allclose(maps.a2, back.coef_, atol=1e-8)
    np.testing.assert_allclose(maps.b2, back.intercept_, atol=1e-8)


@pytest.mark.parametrize("shape", [(60, 5, 5), (60, 4, 6), (60, 6, 4), (5, 6, 4)])
def test_the_cycle_error_falls_as_the_ridge_grows(shape):
    z, y = latents(*shape, shift=3)
    cycles = np.array([cycle_error(maps, z) for maps in solved(z, y, RIDGES, bias=True)])
    assert (np.diff(cycles) <= 1e-5).all()


@pytest.mark.parametrize("shape", [(60, 5, 5), (60, 4, 6)])
def test_a_large_ridge_closes_the_cycle_with_its_biases(shape):
    z, y = latents(*shape, shift=3)
    (maps,) = solved(z, y, [30.0], bias=True)
    np.testing.assert_allclose(maps.a2 @ maps.a1, np.eye(shape[1]), atol=1e-4)
    np.testing.assert_allclose(maps.a2 @ maps.b1 + maps.b2, 0, atol=1e-3)


@pytest.mark.parametrize("shape", [(40, 4, 4), (40, 3, 5), (40, 5, 3)])
@pytest.mark.parametrize("ridge", [0.1, 2.0])
def test_a_long_run_of_adam_goes_no_lower(shape, ridge):
    z, y = latents(*shape, shift=1)
    (maps,) = solved(z, y, [ridge], bias=True)
    value = objective(maps, z, y, ridge)
    assert value <= by_adam(z, y, ridge, parts(maps), bias=True) * (1 + 1e-6)
    assert value <= by_adam(z, y, ridge, parts(solved(z, y, [0.0], bias=True)[0]), bias=True) * (1 + 1e-6)


def test_the_gradient_vanishes_at_the_solution_for_the_biases_too():
    z, y = latents(60, 4, 4, shift=3)
    (maps,) = solved(z, y, [0.2], bias=True)
    leaves = [torch.tensor(part, requires_grad=True) for part in parts(maps)]
    by_torch(leaves, torch.tensor(z), torch.tensor(y), 0.2).backward()
    assert max(leaf.grad.abs().max() for leaf in leaves) < 1e-5


def test_moving_both_spaces_moves_the_biases_alone():
    z, y = latents(50, 4, 3)
    (maps,), (moved,) = solved(z, y, [0.3], bias=True), solved(z + 5, y - 2, [0.3], bias=True)
    np.testing.assert_allclose(moved.a1, maps.a1, atol=1e-6)
    np.testing.assert_allclose(moved.a2, maps.a2, atol=1e-6)
    np.testing.assert_allclose(moved.b1, maps.b1 - 2 - 5 * maps.a1.sum(1), atol=1e-5)


def test_the_mapping_goes_there_and_back_with_biases_of_the_right_sizes():
    z, y = latents(50, 4, 6, shift=3)
    mapping = METHODS["decouple_affine"](ridge=30.0).fit(z, y)
    assert mapping.bias.shape == (6,)
    assert mapping.inverse_bias.shape == (4,)
    single = torch.tensor(z, dtype=torch.float32)
    torch.testing.assert_close(mapping.inverse(mapping(single)), single, atol=1e-3, rtol=0)
    with pytest.warns(MappingWarning, match="decouple_affine: A2 A1 has at most rank 4"):
        METHODS["decouple_affine"]().fit(y, z)
