"""The solver's parts against the objective itself and against differences."""

import numpy as np
import pytest

from framework.mappings.decouple import objective
from framework.mappings.decouple_form import Both, NormalForm, point_at
from framework.mappings.decouple_solver import _minimise, _Model
from tests.framework.mappings.test_decouple import latents

SHAPES = [(30, 4, 4), (30, 3, 5), (30, 5, 3), (4, 6, 3)]
EPSILON, RIDGE = 0.1, 0.7


@pytest.fixture(params=[(shape, bias) for shape in SHAPES for bias in (False, True)], ids=str)
def at(request):
    shape, bias = request.param
    z, y = latents(*shape, shift=1)
    form = NormalForm(z, y, bias=bias)
    rng = np.random.default_rng(1)
    x, d = (Both(*(rng.normal(size=part.shape) for part in form.start)) for _ in range(2))
    return z, y, form, x, d


def model(form, x, epsilon=EPSILON):
    return _Model(form, RIDGE, x, point_at(form, x), epsilon)


def test_the_normal_form_has_the_value_of_the_objective(at):
    z, y, form, x, _ = at
    assert model(form, x, 0.0).value == pytest.approx(len(z) * objective(form.maps(x), z, y, RIDGE), rel=1e-9)


def test_the_gradient_equals_differences(at):
    _, _, form, x, d = at
    h = 1e-6
    slope = (model(form, x.plus(h, d)).value - model(form, x.plus(-h, d)).value) / (2 * h)
    assert model(form, x).gradient.dot(d) == pytest.approx(slope, rel=1e-6)


def test_the_hessian_equals_differences(at):
    _, _, form, x, d = at
    h = 1e-5
    for part, after, before in zip(
        model(form, x).hessian(d),
        model(form, x.plus(h, d)).gradient,
        model(form, x.plus(-h, d)).gradient,
        strict=True,
    ):
        np.testing.assert_allclose(part, (after - before) / (2 * h), atol=1e-4, rtol=1e-4)


def test_the_newton_step_solves_the_gauss_newton_equation(at):
    _, _, form, x, d = at
    here = model(form, x)
    step = here.newton(d)
    gap = step.two @ here.point.lifted + here.back_JH @ step.one
    for part, wanted in zip(here.with_direct(step, here.majorised_pull(gap)), d, strict=True):
        np.testing.assert_allclose(part, -wanted, atol=1e-7)


def test_every_step_lowers_the_smoothed_value(at, monkeypatch):
    _, _, form, _, _ = at
    values = []
    first = _Model.__init__

    def watched(self, form, ridge, x, point, epsilon):
        first(self, form, ridge, x, point, epsilon)
        values.append(self.value)

    monkeypatch.setattr(_Model, "__init__", watched)
    _minimise(form, RIDGE, form.start, smooth=1e-6, tolerance=1e-10)
    assert (np.diff(values) <= 1e-9).all()
    assert len(values) < 100
