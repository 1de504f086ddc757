"""Each method's loss against lightly's own functions on the same projections, and against closed formulas."""

import math
import warnings

import numpy as np
import pytest
import torch
from lightly import loss as lightly_loss
from torch.nn.functional import normalize

from framework.ssl.config import CONFIGS
from tests.framework.ssl.conftest import PAIRWISE, tiny, views_of


def projections_of(method, views):
    """What a method compares, targets and predictions of each view, by its parts one after the other."""
    y = [method.project(method.encode(view)) for view in views]
    z = [method._target(view) for view in views] if getattr(method, "momentum", None) is not None else y
    return z, [method.predict(each) for each in y]


def of_lightly(kind, z, p):
    """The loss as lightly's examples have it, of two views."""
    if kind == "simclr":
        return lightly_loss.NTXentLoss(0.5)(z[0], z[1])
    if kind == "barlow_twins":
        return lightly_loss.BarlowTwinsLoss()(z[0], z[1])
    if kind == "vicreg":
        return lightly_loss.VICRegLoss()(z[0], z[1])
    if kind == "dcl":
        return lightly_loss.DCLLoss()(z[0], z[1])
    criterion = lightly_loss.NTXentLoss(0.1) if kind == "moco" else lightly_loss.NegativeCosineSimilarity()
    return 0.5 * (criterion(p[0], z[1]) + criterion(p[1], z[0]))


@pytest.mark.parametrize("kind", PAIRWISE)
def test_two_views_give_the_loss_of_lightly(kind):
    options = {"memory_bank_size": 0} if kind == "moco" else {}
    method = tiny(kind, views=2, **options)
    views = views_of(method)
    losses = method.loss(views)
    z, p = projections_of(method, views)
    torch.testing.assert_close(losses.total, of_lightly(kind, z, p))
    assert list(losses.parts) == [method.term]
    torch.testing.assert_close(losses.total.detach(), losses.parts[method.term])


def test_fastsiam_compares_with_the_mean_of_the_others():
    method = tiny("fastsiam")
    views = views_of(method)
    z, p = projections_of(method, views)
    criterion, total = lightly_loss.NegativeCosineSimilarity(), 0
    for view in range(4):
        others = [z[other] for other in range(4) if other != view]
        total = total + criterion(p[view], sum(others) / 3)
    torch.testing.assert_close(method.loss(views).total, total / 4)


@pytest.mark.parametrize("kind", ["lejepa", "visreg"])
@pytest.mark.parametrize(("views", "centre"), [(4, 1), (4, 3), (2, 1)])
def test_all_views_at_once_give_the_loss_of_lightly(kind, views, centre):
    method = tiny(kind, views=views, global_views=centre)
    given = views_of(method)
    torch.manual_seed(5)
    losses = method.loss(given)
    y = torch.stack(projections_of(method, given)[1])
    criterion = (
        lightly_loss.LeJEPALoss(sigreg_num_vectors=16)
        if kind == "lejepa"
        else lightly_loss.VISRegLoss(lambda_param=0.6, num_slices=16)
    )
    torch.manual_seed(5)
    torch.testing.assert_close(losses.total, criterion(global_proj=y[:centre], local_proj=y[centre:]))
    expected = ["invariance", "sigreg"] if kind == "lejepa" else ["invariance", "scale", "shape", "centre"]
    assert list(losses.parts) == expected
    torch.testing.assert_close(sum(losses.parts.values()), losses.total.detach())


@pytest.mark.parametrize("kind", ["lejepa", "visreg"])
def test_all_views_are_in_the_centre_by_default(kind):
    method = tiny(kind, views=3)
    losses = method.loss(views_of(method))
    y = losses.projections
    expected = (1 - method.config.regularisation) * (y - y.mean(0)).square().mean()
    torch.testing.assert_close(losses.parts["invariance"], expected)


# Closed formulas, in numpy.


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def nt_xent(z, t=0.5):
    u = unit(np.concatenate(z))
    B, total = len(z[0]), 0.0
    for i in range(2 * B):
        positive = u[i] @ u[(i + B) % (2 * B)] / t
        total -= positive - math.log(sum(math.exp(u[i] @ u[k] / t) for k in range(2 * B) if k != i))
    return total / (2 * B)


def barlow(z):
    a, b = ((x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) for x in z)
    correlations = a.T @ b / len(a)
    different = correlations - np.diag(np.diag(correlations))
    return ((1 - np.diag(correlations)) ** 2).sum() + 5e-3 * (different**2).sum()


def vicreg(z):
    variance, covariance = 0.0, 0.0
    for x in z:
        variance += np.maximum(0, 1 - np.sqrt(x.var(0, ddof=1) + 1e-4)).mean() / 2
        matrix = np.cov(x.T)
        covariance += (matrix**2).sum() / x.shape[1] - (np.diag(matrix) ** 2).sum() / x.shape[1]
    return 25 * ((z[0] - z[1]) ** 2).mean() + 25 * variance + covariance


def dcl(z, t=0.1):
    u, total, B = [unit(x) for x in z], 0.0, len(z[0])
    for one, other in ((u[0], u[1]), (u[1], u[0])):
        for b in range(B):
            negatives = [math.exp(one[b] @ x[c] / t) for x in (one, other) for c in range(B) if c != b]
            total += -one[b] @ other[b] / t + math.log(sum(negatives))
    return total / (2 * B)


CLOSED = {"simclr": nt_xent, "barlow_twins": barlow, "vicreg": vicreg, "dcl": dcl}


@pytest.mark.parametrize("kind", CLOSED)
def test_closed_formulas(kind):
    method = tiny(kind)
    losses = method.loss(views_of(method))
    expected = CLOSED[kind](losses.projections.double().numpy())
    assert losses.total.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", ["byol", "simsiam"])
def test_the_closed_formula_of_a_predicted_target(kind):
    method = tiny(kind)
    views = views_of(method)
    z, p = ([unit(each.detach().double().numpy()) for each in part] for part in projections_of(method, views))
    squared = sum(((z[1 - i] - p[i]) ** 2).sum(1).mean() for i in range(2)) / 2  # BYOL's equation (2)
    assert 2 + 2 * method.loss(views).total.item() == pytest.approx(squared, rel=1e-4)


def test_weighted_dcl_is_that_of_lightly():
    method = tiny("dcl", weighted=True, sigma=0.7)
    views = views_of(method)
    z, _ = projections_of(method, views)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lightly copies a tensor in a way that PyTorch warns of
        expected = lightly_loss.DCLWLoss(sigma=0.7)(z[0], z[1])
    torch.testing.assert_close(method.loss(views).total, expected)


@pytest.mark.parametrize("kind", CONFIGS)
def test_what_comes_with_a_loss(kind):
    method = tiny(kind)
    views = views_of(method)
    losses = method.loss(list(views))
    V, B = method.config.views, 8
    assert losses.features.shape == (V, B, method.num_features)
    assert losses.projections.shape == (V, B, 6)
    assert losses.total.ndim == 0
    seen = (*losses.parts.values(), losses.features, losses.projections)
    assert not any(tensor.requires_grad for tensor in seen)
    torch.testing.assert_close(losses.features[1], method(views[1]).detach())
    torch.testing.assert_close(losses.projections[1], method.project(method(views[1])).detach())


def test_scales_and_signs_of_a_bank_of_normalised_numbers():
    method = tiny("simclr", memory_bank_size=32)
    bank = method.criterion.memory_bank.bank.clone()
    views = views_of(method)
    losses = method.loss(views)
    u = normalize(losses.projections, dim=2)
    expected = 0
    for one, other in ((u[0], u[1]), (u[1], u[0])):
        logits = torch.cat([(one * other).sum(1, keepdim=True), one @ bank.T], 1) / 0.5
        expected = expected - logits.log_softmax(1)[:, 0].mean() / 2
    torch.testing.assert_close(losses.total.detach(), expected)
