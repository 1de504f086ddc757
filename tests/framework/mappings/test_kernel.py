import numpy as np
import pytest
import torch
from sklearn.svm import SVR

from framework.errors import InvalidInput
from framework.mappings import METHODS

RNG = np.random.default_rng(0)
SOURCE, TARGET, NEW = RNG.normal(size=(40, 6)) + 1, RNG.normal(size=(40, 4)), RNG.normal(size=(30, 6)) + 1


def kernel(rows, columns, gamma):
    return np.array(
        [[np.exp(-gamma * sum((a - b) ** 2 for a, b in zip(r, c, strict=True))) for c in columns] for r in rows]
    )


def single(array):
    return torch.tensor(array, dtype=torch.float32)


@pytest.mark.parametrize("ridge", [0.001, 0.1, 10.0])
def test_equals_the_slow_twin_on_new_points(ridge):
    mapping = METHODS["kernel"](ridge=ridge, gamma=0.2).fit(SOURCE, TARGET)
    gram = kernel(SOURCE, SOURCE, 0.2)
    coefficients = np.linalg.solve(gram.T @ gram + ridge * np.eye(40), gram.T @ TARGET)
    np.testing.assert_allclose(mapping(single(NEW)), kernel(NEW, SOURCE, 0.2) @ coefficients, atol=1e-5)


def test_the_gradient_of_the_objective_vanishes_at_its_coefficients():
    mapping = METHODS["kernel"](ridge=0.3, gamma=0.2).fit(SOURCE, TARGET)
    coefficients = mapping.coefficients.double().requires_grad_()
    objective = (torch.tensor(kernel(SOURCE, SOURCE, 0.2)) @ coefficients - torch.tensor(TARGET)).square().sum()
    (objective + 0.3 * coefficients.square().sum()).backward()
    assert coefficients.grad.abs().max() < 1e-4


def test_without_ridge_it_interpolates_and_copies_of_a_sample_share_their_target():
    mapping = METHODS["kernel"]().fit(SOURCE, TARGET)
    np.testing.assert_allclose(mapping(single(SOURCE)), TARGET, atol=1e-4)
    twice = METHODS["kernel"]().fit(np.vstack([SOURCE, SOURCE[:1]]), np.vstack([TARGET, -TARGET[:1]]))
    np.testing.assert_allclose(twice(single(SOURCE[:1])), 0 * TARGET[:1], atol=1e-4)


def test_the_default_gamma_is_that_of_scikit_learn():
    mapping = METHODS["kernel"](ridge=0.1).fit(SOURCE, TARGET)
    assert float(mapping.gamma) == pytest.approx(SVR(gamma="scale").fit(SOURCE, TARGET[:, 0])._gamma, rel=1e-6)


def test_it_needs_no_centred_latents():
    near = METHODS["kernel"](ridge=0.1, gamma=0.2).fit(SOURCE, TARGET)(single(NEW))
    far = METHODS["kernel"](ridge=0.1, gamma=0.2).fit(SOURCE + 64, TARGET)(single(NEW) + 64)
    torch.testing.assert_close(near, far, atol=1e-3, rtol=0)


@pytest.mark.parametrize("gamma", [0.0, -1.0, np.nan, np.inf])
def test_other_gammas_are_refused(gamma):
    with pytest.raises(InvalidInput, match=r"gamma: is .*allowed: a finite number above 0"):
        METHODS["kernel"](gamma=gamma)
