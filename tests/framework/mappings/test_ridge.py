import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from framework.errors import InvalidInput
from framework.mappings import factorisation as module
from framework.mappings.ridge import factorise, solve, solve_many

RIDGES = [0.001, 0.1, 1.0, 50.0]


def latents(n, d, e, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + rng.normal(size=d), rng.normal(size=(n, e)) + rng.normal(size=e)


@pytest.mark.parametrize("shape", [(100, 8, 8), (100, 8, 3), (100, 3, 8), (5, 8, 6), (1, 4, 4)])
@pytest.mark.parametrize("centre", [False, True])
def test_equals_scikit_learn(shape, centre):
    z, y = latents(*shape)
    weights, biases = solve(factorise(z, centre=centre), y, RIDGES)
    for ridge, weight, bias in zip(RIDGES, weights, biases, strict=True):
        fit = Ridge(alpha=ridge, fit_intercept=centre).fit(z, y)
        np.testing.assert_allclose(weight, fit.coef_, atol=1e-9)
        np.testing.assert_allclose(bias, np.broadcast_to(fit.intercept_, bias.shape), atol=1e-9)


def test_equals_the_closed_form():
    z, y = latents(60, 7, 5)
    weights, _ = solve(factorise(z, centre=False), y, RIDGES)
    for ridge, weight in zip(RIDGES, weights, strict=True):
        expected = y.T @ z @ np.linalg.inv(z.T @ z + ridge * np.eye(7))
        np.testing.assert_allclose(weight, expected, atol=1e-9)


def test_equals_the_closed_form_of_the_centred_samples():
    z, y = latents(60, 7, 5)
    weights, biases = solve(factorise(z, centre=True), y, [0.3])
    z0, y0 = z - z.mean(0), y - y.mean(0)
    expected = y0.T @ z0 @ np.linalg.inv(z0.T @ z0 + 0.3 * np.eye(7))
    np.testing.assert_allclose(weights[0], expected, atol=1e-9)
    np.testing.assert_allclose(biases[0], y.mean(0) - expected @ z.mean(0), atol=1e-9)


@pytest.mark.parametrize("centre", [False, True])
def test_the_gradient_of_the_objective_vanishes_there_and_the_bias_is_free(centre):
    z, y = (torch.tensor(part) for part in latents(40, 6, 4))
    weights, biases = solve(factorise(z, centre=centre), y, [0.7])
    weight = torch.tensor(weights[0], requires_grad=True)
    bias = torch.tensor(biases[0], requires_grad=True)
    objective = (z @ weight.T + bias - y).square().sum() + 0.7 * weight.square().sum()
    objective.backward()
    assert weight.grad.abs().max() < 1e-9
    assert not centre or bias.grad.abs().max() < 1e-9


@pytest.mark.parametrize("shape", [(50, 6, 4), (4, 6, 3), (6, 6, 6)])
def test_without_ridge_it_is_the_least_squares_solution_of_least_norm(shape):
    z, y = latents(*shape)
    weights, _ = solve(factorise(z, centre=False), y, [0.0])
    expected = np.linalg.lstsq(z, y, rcond=None)[0].T
    np.testing.assert_allclose(weights[0], expected, atol=1e-8)


def test_without_ridge_a_dependent_dimension_is_shared_as_by_lstsq():
    z, y = latents(50, 3, 2)
    z = np.column_stack([z, z[:, 0], np.zeros(50)])
    weights, _ = solve(factorise(z, centre=False), y, [0.0])
    np.testing.assert_allclose(weights[0], np.linalg.lstsq(z, y, rcond=None)[0].T, atol=1e-9)
    np.testing.assert_allclose(weights[0][:, 0], weights[0][:, 3])
    np.testing.assert_allclose(weights[0][:, 4], 0)


@given(
    d=st.integers(1, 6),
    e=st.integers(1, 6),
    seed=st.integers(0, 10_000),
    centre=st.booleans(),
)
@settings(max_examples=50, deadline=None)
def test_recovers_a_known_map(d, e, seed, centre):
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(e, d)), rng.normal(size=e) * centre
    z = rng.normal(size=(40, d))
    weights, biases = solve(factorise(z, centre=centre), z @ weight.T + bias, [0.0])
    np.testing.assert_allclose(weights[0], weight, atol=1e-8)
    np.testing.assert_allclose(biases[0], bias, atol=1e-8)


@pytest.mark.parametrize("centre", [False, True])
def test_more_ridge_shrinks_the_weights_towards_zero(centre):
    z, y = latents(30, 5, 5)
    ridges = [0, 0.01, 1, 100, 1e12]
    weights, biases = solve(factorise(z, centre=centre), y, ridges)
    norms = np.linalg.norm(weights, axis=(1, 2))
    assert (np.diff(norms) < 0).all()
    assert norms[-1] < 1e-9
    np.testing.assert_allclose(biases[-1], y.mean(0) if centre else 0, atol=1e-9)


@pytest.mark.parametrize("shape", [(100, 8, 3), (30, 29, 3), (20, 40, 5), (8, 8, 8), (2, 5, 3)])
@pytest.mark.parametrize("centre", [False, True])
def test_a_gram_matrix_gives_what_the_singular_values_give(shape, centre, monkeypatch):
    z, y = latents(*shape)
    by_gram = factorise(z, centre=centre)
    num_samples, dim, _ = shape
    assert (by_gram.decomposition.u is None) == (num_samples > dim)
    monkeypatch.setattr(module, "WELL_CONDITIONED", np.inf)
    by_svd = factorise(z, centre=centre)
    assert by_svd.decomposition.u is not None
    for mine, theirs in zip(solve(by_gram, y, [0, *RIDGES]), solve(by_svd, y, [0, *RIDGES]), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-8 * np.abs(theirs).max())


@pytest.mark.parametrize("shape", [(100, 8, 3), (30, 29, 3), (20, 40, 5), (8, 8, 8), (2, 5, 3), (60, 1, 1)])
@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("ridges", [[0.3], [10.0, 0.0]])
def test_few_ridges_by_cholesky_are_those_of_the_decomposition(shape, centre, ridges):
    z, y = latents(*shape)
    few, many = (solve(factorise(z, centre=centre), y, given) for given in (ridges, [*ridges, 0.5, 0.6]))
    for mine, theirs in zip(few, many, strict=True):
        np.testing.assert_allclose(mine, theirs[: len(ridges)], atol=1e-8 * np.abs(theirs).max())


def test_few_ridges_decompose_nothing_where_that_is_safe_and_else_fall_back():
    z, y = latents(60, 6, 3)
    source = factorise(z, centre=True)
    solve(source, y, [0.1])
    assert "decomposition" not in vars(source)
    twice = np.hstack([z, z[:, :1]])  # of rank 6 in 7 dimensions
    source = factorise(twice, centre=True)
    weights, _ = solve(source, y, [0.0])
    assert "decomposition" in vars(source)
    expected = np.linalg.lstsq(twice - twice.mean(axis=0), y - y.mean(axis=0), rcond=None)[0].T
    np.testing.assert_allclose(weights[0], expected, atol=1e-8)


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("least", [1e-2, 1e-3, 3e-4, 1e-5, 1e-9])
def test_nearly_dependent_dimensions_lose_no_accuracy(centre, least):
    z, y = latents(60, 6, 3)
    z = z - z.mean(axis=0)
    u, _, vt = np.linalg.svd(z, full_matrices=False)
    z = u * np.geomspace(1, least, 6) @ vt
    source = factorise(z, centre=centre)
    assert (source.decomposition.u is None) == (least**2 > 1e-7)
    weights, _ = solve(source, y, [0.0])
    expected = np.linalg.lstsq(z, y - y.mean(axis=0) * centre, rcond=None)[0].T
    np.testing.assert_allclose(weights[0], expected, atol=1e-6 * np.abs(expected).max())


def test_the_penalty_is_on_the_sum_not_the_mean():
    z, y = latents(30, 5, 5)
    once, _ = solve(factorise(z, centre=False), y, [1.0])
    twice, _ = solve(factorise(np.vstack([z, z]), centre=False), np.vstack([y, y]), [2.0])
    np.testing.assert_allclose(once, twice, atol=1e-10)


@pytest.mark.parametrize("centre", [False, True])
def test_many_targets_at_once_equal_one_by_one(centre):
    z, _ = latents(30, 5, 1)
    targets = [latents(30, 1, e, seed=e)[1] for e in (2, 7, 1)]
    source = factorise(z, centre=centre)
    for target, (weights, biases) in zip(targets, solve_many(source, targets, RIDGES), strict=True):
        for mine, one in zip((weights, biases), solve(source, target, RIDGES), strict=True):
            assert mine.shape == one.shape
            np.testing.assert_allclose(mine, one, atol=1e-12)
    assert solve_many(source, [], RIDGES) == []


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused_with_their_count(bad):
    z, y = latents(10, 3, 3)
    z[2, 1] = z[7, 0] = bad
    with pytest.raises(InvalidInput, match="z_source: 2 of 10 samples hold NaN or infinite values"):
        factorise(z, centre=True)
    with pytest.raises(InvalidInput, match="z_target: 2 of 10"):
        solve(factorise(y, centre=True), z, [0.0])


def test_what_does_not_fit_together_is_refused():
    z, y = latents(10, 3, 3)
    with pytest.raises(InvalidInput, match="z_target: has 9 samples where z_source has 10"):
        solve(factorise(z, centre=True), y[:9], [0.0])
    with pytest.raises(InvalidInput, match=r"different numbers of samples: \[9, 10\]"):
        solve_many(factorise(z, centre=True), [y, y[:9]], [0.0])
    with pytest.raises(InvalidInput, match=r"z_source: has the shape \(0, 3\)"):
        factorise(z[:0], centre=True)
    with pytest.raises(InvalidInput, match=r"z_source: has the shape \(3,\)"):
        factorise(z[0], centre=True)


@pytest.mark.parametrize("ridges", [[-0.1], [0.0, np.nan], [np.inf], []])
def test_ridges_that_mean_nothing_are_refused(ridges):
    z, y = latents(10, 3, 3)
    with pytest.raises(InvalidInput, match=r"ridge: .*allowed"):
        solve(factorise(z, centre=True), y, ridges)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_one_sample_gives_its_own_target_and_no_slope(ridge):
    z, y = latents(1, 4, 3)
    weights, biases = solve(factorise(z, centre=True), y, [ridge])
    np.testing.assert_array_equal(weights, 0)
    np.testing.assert_allclose(biases[0], y[0])


@pytest.mark.slow
def test_the_benchmark_compares_equal_numbers():
    from tests.benchmarks.bench_ridge import latents, ours, reference

    models = latents()
    fitted, expected = ours(models), reference(models)
    assert fitted.keys() == expected.keys()
    for key, pair in expected.items():
        for mine, theirs in zip(fitted[key], pair, strict=True):
            assert np.abs(mine - theirs).max() < 1e-6
