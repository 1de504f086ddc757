import numpy as np
import pytest
import torch

from framework.errors import InvalidInput
from framework.mappings import METHODS, MappingWarning
from framework.mappings.decouple import objective
from framework.mappings.decouple_form import Maps, NormalForm
from framework.mappings.decouple_solver import solve

SHAPES = [(60, 5, 5), (60, 4, 6), (60, 6, 4), (4, 6, 5), (5, 6, 4), (6, 6, 6)]
RIDGES = [0.0, 0.01, 0.1, 1.0, 10.0]


def latents(n, d, e, *, noise=0.3, shift=0.0, seed=0):
    """Two noisy views of one cause, each around a mean of its own."""
    rng = np.random.default_rng(seed)
    size = max(d, e)
    cause = rng.normal(size=(n, size))
    z = (
        cause @ rng.normal(size=(size, d)) / size**0.5
        + noise * rng.normal(size=(n, d))
        + shift * rng.normal(size=d)
    )
    y = (
        cause @ rng.normal(size=(size, e)) / size**0.5
        + noise * rng.normal(size=(n, e))
        + shift * rng.normal(size=e)
    )
    return z, y


def solved(z, y, ridges, *, bias=False):
    return solve(NormalForm(z, y, bias=bias), ridges)


def cycle_error(maps, z):
    back = (z @ maps.a1.T + maps.b1) @ maps.a2.T + maps.b2
    return np.linalg.norm(back - z, axis=1).mean()


def by_adam(z, y, ridge, start, *, bias=False, steps=3000, rate=0.02):
    """The least value that Adam sees, with a rate that falls to zero. Written out: autograd takes a minute."""
    n, least = len(z), np.inf
    theta = np.concatenate([part.ravel() for part in start])
    ends = np.cumsum([part.size for part in start])[:-1]
    a1, b1, a2, b2 = (v.reshape(part.shape) for v, part in zip(np.split(theta, ends), start, strict=True))
    first, second = np.zeros_like(theta), np.zeros_like(theta)
    for step in range(1, steps + 1):
        there, back = z @ a1.T + b1, y @ a2.T + b2
        cycle = there @ a2.T + b2 - z
        lengths = np.sqrt((cycle**2).sum(axis=1, keepdims=True))
        least = min(least, (((there - y) ** 2).sum() + ((back - z) ** 2).sum() + ridge * lengths.sum()) / n)
        pull = ridge * cycle / np.maximum(lengths, 1e-300) / n
        one, two = 2 * (there - y) / n + pull @ a2, 2 * (back - z) / n
        gradient = [one.T @ z, one.sum(0) * bias, two.T @ y + pull.T @ there, (two + pull).sum(0) * bias]
        flat = np.concatenate([part.ravel() for part in gradient])
        first += 0.1 * (flat - first)
        second += 0.001 * (flat * flat - second)
        scale = rate * (0.5 + 0.5 * np.cos(np.pi * step / steps)) / (1 - 0.9**step)
        theta -= scale * first / (np.sqrt(second / (1 - 0.999**step)) + 1e-12)
    return least


def by_torch(maps, z, y, ridge):
    a1, b1, a2, b2 = maps
    there, back = z @ a1.T + b1, y @ a2.T + b2
    cycle = there @ a2.T + b2 - z
    return ((there - y) ** 2).sum(1).mean() + ((back - z) ** 2).sum(1).mean() + ridge * cycle.norm(dim=1).mean()


def parts(maps):
    return maps.a1, maps.b1, maps.a2, maps.b2


def test_the_objective_is_the_formula():
    z, y = latents(7, 3, 2)
    rng = np.random.default_rng(1)
    a1, a2 = rng.normal(size=(2, 3)), rng.normal(size=(3, 2))
    value = 0.0
    for z_i, y_i in zip(z, y, strict=True):
        value += sum((a1 @ z_i - y_i) ** 2) + sum((a2 @ y_i - z_i) ** 2)
        value += 0.7 * np.sqrt(sum((a2 @ (a1 @ z_i) - z_i) ** 2))
    assert objective(Maps(a1, np.zeros(2), a2, np.zeros(3)), z, y, 0.7) == pytest.approx(value / 7, rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_without_ridge_it_is_two_least_squares_fits_of_least_norm(shape):
    z, y = latents(*shape)
    (maps,) = solved(z, y, [0.0])
    np.testing.assert_allclose(maps.a1, np.linalg.lstsq(z, y, rcond=None)[0].T, atol=1e-8)
    np.testing.assert_allclose(maps.a2, np.linalg.lstsq(y, z, rcond=None)[0].T, atol=1e-8)
    assert not maps.b1.any()
    assert not maps.b2.any()


@pytest.mark.parametrize("ridge", [0.0, 0.3, 0.6, 1.0, 5.0])
def test_an_example_by_hand(ridge):
    """z = 1, 2 and y = 2, 1: by symmetry a1 = a2 = a, which minimises 5a² - 8a + 5 + 1.5 λ |1 - a²|."""
    (maps,) = solved(np.array([[1.0], [2.0]]), np.array([[2.0], [1.0]]), [ridge])
    expected = min(1.0, 8 / (10 - 3 * ridge)) if ridge < 10 / 3 else 1.0
    np.testing.assert_allclose([maps.a1.item(), maps.a2.item()], expected, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_the_cycle_error_falls_and_the_direct_error_rises_as_the_ridge_grows(shape, noise):
    z, y = latents(*shape, noise=noise)
    maps = solved(z, y, RIDGES)
    cycles = np.array([cycle_error(each, z) for each in maps])
    direct = np.array([objective(each, z, y, 0.0) for each in maps])
    assert (np.diff(cycles) <= 1e-5).all()
    assert (np.diff(direct) >= -1e-5).all()


@pytest.mark.parametrize("shape", [(60, 5, 5), (60, 4, 6), (20, 3, 8)])
def test_a_large_ridge_closes_the_cycle(shape):
    z, y = latents(*shape)
    first, last = solved(z, y, [0.0, 30.0])
    np.testing.assert_allclose(last.a2 @ last.a1, np.eye(shape[1]), atol=1e-4)
    assert np.abs(first.a2 @ first.a1 - np.eye(shape[1])).max() > 0.1


def test_fewer_target_dimensions_leave_a_projection_and_a_warning():
    z, y = latents(60, 6, 4)
    (maps,) = solved(z, y, [100.0])
    assert np.linalg.matrix_rank(maps.a2 @ maps.a1) == 4
    with pytest.warns(
        MappingWarning, match="decouple: A2 A1 has at most rank 4 of 6 dimensions, so the cycle cannot"
    ):
        METHODS["decouple"](ridge=0.1).fit(z, y)
    assert METHODS["decouple"].notes(6, 4) == METHODS["decouple"]().notes(6, 4) != []
    METHODS["decouple"]().fit_path(z, y, [0.1])


@pytest.mark.parametrize("shape", [(60, 5, 5), (40, 3, 5), (40, 5, 3)])
@pytest.mark.parametrize("ridge", [0.05, 0.3])
def test_the_gradient_vanishes_at_the_solution(shape, ridge):
    z, y = latents(*shape)
    (maps,) = solved(z, y, [ridge])
    assert np.linalg.norm(z @ maps.a1.T @ maps.a2.T - z, axis=1).min() > 1e-3  # no residual at its kink
    a1, a2 = (torch.tensor(part, requires_grad=True) for part in (maps.a1, maps.a2))
    by_torch((a1, torch.zeros(1), a2, torch.zeros(1)), torch.tensor(z), torch.tensor(y), ridge).backward()
    assert max(a1.grad.abs().max(), a2.grad.abs().max()) < 1e-5


@pytest.mark.parametrize("shape", [(40, 4, 4), (40, 3, 5), (40, 5, 3), (6, 5, 4)])
@pytest.mark.parametrize("ridge", [0.1, 2.0])
def test_a_long_run_of_adam_goes_no_lower(shape, ridge):
    z, y = latents(*shape)
    (maps,) = solved(z, y, [ridge])
    value = objective(maps, z, y, ridge)
    assert value <= by_adam(z, y, ridge, parts(maps)) * (1 + 1e-6)
    rng = np.random.default_rng(0)
    start = [rng.normal(size=part.shape) if part.ndim == 2 else part for part in parts(maps)]
    assert value <= by_adam(z, y, ridge, start) * (1 + 1e-5)


def test_few_samples_are_mapped_exactly_whatever_the_ridge():
    z, y = latents(4, 6, 5)
    for maps in solved(z, y, [0.0, 1.0]):
        assert objective(maps, z, y, 1.0) < 1e-10


@pytest.mark.parametrize("bias", [False, True])
def test_a_dependent_dimension_changes_neither_objective_nor_finiteness(bias):
    z, y = latents(40, 4, 4)
    wide = np.column_stack([z, z[:, 0] - z[:, 1], np.zeros(40)])
    (maps,) = solved(wide, y, [0.3], bias=bias)
    assert np.isfinite(maps.a1).all()
    assert objective(maps, wide, y, 0.3) < objective(solved(wide, y, [0.0], bias=bias)[0], wide, y, 0.3)


def test_turning_both_spaces_turns_the_maps():
    z, y = latents(50, 4, 4)
    rng = np.random.default_rng(1)
    p, q = (np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(2))
    (maps,), (turned,) = solved(z, y, [0.3]), solved(z @ p.T, y @ q.T, [0.3])
    np.testing.assert_allclose(turned.a1, q @ maps.a1 @ p.T, atol=1e-5)
    np.testing.assert_allclose(turned.a2, p @ maps.a2 @ q.T, atol=1e-5)


def test_a_ridge_does_not_depend_on_the_others():
    z, y = latents(50, 5, 5)
    together = solved(z, y, [30.0, 0.1, 0.0, 30.0])
    for maps, ridge in zip(together, [30.0, 0.1, 0.0, 30.0], strict=True):
        np.testing.assert_array_equal(maps.a1, solved(z, y, [ridge])[0].a1)


def test_the_mapping_goes_there_and_back():
    z, y = latents(50, 4, 6)
    mapping = METHODS["decouple"](ridge=0.3).fit(z, y)
    (maps,) = solved(z, y, [0.3])
    single = torch.tensor(z, dtype=torch.float32)
    np.testing.assert_allclose(mapping(single), z @ maps.a1.T, atol=1e-5)
    np.testing.assert_allclose(mapping.inverse(torch.tensor(y, dtype=torch.float32)), y @ maps.a2.T, atol=1e-5)
    assert set(mapping.state_dict()) == {"weight", "inverse_weight"}
    closed = METHODS["decouple"](ridge=30.0).fit(z, y)
    torch.testing.assert_close(closed.inverse(closed(single)), single, atol=1e-3, rtol=0)


@pytest.mark.parametrize("kind", ["decouple", "decouple_affine"])
def test_the_way_back_takes_latents_in_every_form(kind):
    generator = np.random.default_rng(0)
    source, target = generator.normal(size=(60, 3)), generator.normal(size=(60, 4))
    mapping = METHODS[kind](ridge=0.1).fit(source, target)
    whole = np.arange(8).reshape(2, 4)
    expected = mapping.inverse(torch.tensor(whole, dtype=torch.float64))
    for given in (whole, torch.tensor(whole), whole.astype(np.float32), whole.astype(np.float64)):
        found = mapping.inverse(given)
        assert isinstance(found, torch.Tensor) is isinstance(given, torch.Tensor)
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-5)
    assert mapping.inverse(whole.astype(np.float32)).dtype == np.float32
    with pytest.raises(InvalidInput, match=r"z_target: has the shape \(2, 3\); allowed: \(samples, 4\)"):
        mapping.inverse(torch.zeros(2, 3))
