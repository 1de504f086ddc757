import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from framework.errors import InvalidInput
from framework.ssl.evaluation.features import Features
from framework.ssl.evaluation.probe import NotConverged, fit_probe
from tests.framework.ssl.evaluation.conftest import blobs
from tests.second_device import DEVICE, SecondDevice

TRAIN, VAL, TESTED = blobs(400, spread=2.0), blobs(80, seed=1, spread=2.0), blobs(200, seed=2, spread=2.0)


def standard(features):
    mean, std = TRAIN.features.double().mean(0), TRAIN.features.double().std(0, correction=0)
    return ((features.double() - mean) / std).numpy()


@pytest.mark.parametrize("l2", [1.0, 1e-2, 1e-4])
def test_the_minimum_is_that_of_scikit_learn(l2):
    probe = fit_probe(TRAIN, VAL, 4, grid=(l2,), tolerance=1e-8)
    other = LogisticRegression(C=1 / (l2 * len(TRAIN)), tol=1e-10, max_iter=10_000)
    other.fit(standard(TRAIN.features), TRAIN.labels.numpy())
    np.testing.assert_allclose(probe.weight.numpy(), other.coef_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(probe.bias.numpy(), other.intercept_ - other.intercept_.mean(), atol=1e-5)
    expected = other.predict_log_proba(standard(TESTED.features))
    np.testing.assert_allclose(probe.scores(TESTED.features).numpy(), expected, rtol=1e-4, atol=1e-4)


def test_the_gradient_vanishes_where_it_says_so():
    """By automatic differentiation of equation (1)."""
    probe = fit_probe(TRAIN, VAL, 4, grid=(1e-2,))
    assert probe.converged
    weight, bias = probe.weight.clone().requires_grad_(), probe.bias.clone().requires_grad_()
    logits = torch.from_numpy(standard(TRAIN.features)) @ weight.t() + bias
    loss = torch.nn.functional.cross_entropy(logits, TRAIN.labels) + 1e-2 / 2 * weight.square().sum()
    loss.backward()
    largest = max(float(weight.grad.abs().max()), float(bias.grad.abs().max()))
    assert largest <= 1e-5
    assert probe.gradient == pytest.approx(largest, rel=1e-6, abs=1e-12)
    assert probe.loss == pytest.approx(loss.item())


def test_the_penalty_is_chosen_on_val():
    grid = (10.0, 1.0, 1e-1, 1e-2, 1e-3)
    probe = fit_probe(TRAIN, VAL, 4, grid=grid)
    single = {l2: fit_probe(TRAIN, VAL, 4, grid=(l2,), tolerance=1e-8) for l2 in grid}
    right = {
        l2: float((one.scores(VAL.features).argmax(1) == VAL.labels).double().mean()) for l2, one in single.items()
    }
    assert probe.tried == pytest.approx(right)
    assert right[probe.l2] == max(right.values())
    torch.testing.assert_close(probe.weight, single[probe.l2].weight, rtol=1e-2, atol=1e-3)
    assert fit_probe(TRAIN, VAL, 4, grid=(1e3, 1e2)).at_end


def test_of_equally_right_ones_the_lower_cross_entropy():
    """Classes that lie far apart: everything is right, and the less it is held back the surer it is."""
    train, val = blobs(200, spread=0.01), blobs(50, seed=1, spread=0.01)
    probe = fit_probe(train, val, 4, grid=(1e-1, 1e-3))
    assert set(probe.tried.values()) == {1.0}
    assert probe.l2 == 1e-3


def test_not_converged_is_told():
    with pytest.warns(
        NotConverged, match=r"has not converged after \d iterations: the largest entry of its gradient"
    ):
        probe = fit_probe(TRAIN, VAL, 4, grid=(1e-4,), iterations=2)
    assert not probe.converged
    assert probe.gradient > 1e-5


def test_rounding_is_told():
    with pytest.warns(NotConverged, match="allow a larger tolerance: rounding ends it here"):
        fit_probe(TRAIN, VAL, 4, grid=(1.0,), tolerance=1e-30)


def test_constant_features_are_nothing():
    def wider(part):
        return Features(torch.cat([part.features, torch.full((len(part), 2), 0.1)], dim=1), part.labels)

    probe, plain = fit_probe(wider(TRAIN), wider(VAL), 4), fit_probe(TRAIN, VAL, 4)
    assert probe.l2 == plain.l2
    torch.testing.assert_close(probe.weight[:, :6], plain.weight, rtol=1e-3, atol=1e-3)
    assert (probe.weight[:, 6:] == 0).all()


def test_a_class_that_train_has_not():
    few = TRAIN.labels != 1
    probe = fit_probe(Features(TRAIN.features[few], TRAIN.labels[few]), VAL, 4)
    scores = probe.scores(TESTED.features)
    assert (scores[:, 1] == -torch.inf).all()
    torch.testing.assert_close(scores.exp().sum(dim=1), torch.ones(len(TESTED), dtype=torch.float64))


def test_more_features_than_images():
    train, val = blobs(30, width=50), blobs(20, width=50, seed=1)
    assert fit_probe(train, val, 4).converged


def test_on_a_second_device():
    with SecondDevice():
        moved = [Features(part.features.to(DEVICE), part.labels.to(DEVICE)) for part in (TRAIN, VAL)]
        there, here = fit_probe(*moved, 4, grid=(1e-2,)), fit_probe(TRAIN, VAL, 4, grid=(1e-2,))
        assert there.weight.device == DEVICE
        torch.testing.assert_close(there.weight.cpu(), here.weight, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("train", "val", "options", "told"),
    [
        (TRAIN, VAL, {"grid": ()}, r"grid: is \(\); allowed: positive weights"),
        (TRAIN, VAL, {"grid": (0.0,)}, r"grid: is \(0.0,\)"),
        (TRAIN, VAL, {"tolerance": 0}, r"tolerance: is 0"),
        (TRAIN, VAL, {"iterations": 0}, r"iterations: is 0"),
        (TRAIN, blobs(9, width=5), {}, r"val: has 5 features where train has 6"),
        (TRAIN, blobs(90, classes=5), {}, r"val: has labels that are none of 0 to 3"),
        (Features(TRAIN.features / 0, TRAIN.labels), VAL, {}, r"train: has NaN or infinite features"),
        (Features(TRAIN.features, 0 * TRAIN.labels), VAL, {}, r"train: has images of one class only"),
        (
            Features(TRAIN.features, TRAIN.labels[1:]),
            VAL,
            {},
            r"train: has features \(400, 6\) and labels \(399,\)",
        ),
    ],
)
def test_what_cannot_be_fitted(train, val, options, told):
    with pytest.raises(InvalidInput, match=told):
        fit_probe(train, val, 4, **options)
