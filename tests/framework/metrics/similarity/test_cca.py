"""SVCCA and PWCCA against canonical correlations by QR, and by scikit-learn."""

import numpy as np
import pytest
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA

from framework.metrics import pwcca, svcca
from tests.framework.metrics.similarity.arrays import independent, related, turned

few = pytest.mark.filterwarnings("ignore::framework.metrics.FewSamples")


def by_qr(x, y):
    """Correlations, and the canonical variates of x."""
    (qx, _), (qy, _) = (np.linalg.qr(z - z.mean(0)) for z in (x, y))
    left, correlations, _ = np.linalg.svd(qx.T @ qy, full_matrices=False)
    return correlations, qx @ left


@pytest.mark.parametrize("sizes", [(80, 6, 4), (80, 4, 6), (120, 12, 12), (40, 1, 3)])
def test_svcca_is_the_mean_correlation_of_principal_components(sizes):
    x, y = related(*sizes, noise=4)
    parts = [PCA(n_components=0.99, svd_solver="full").fit_transform(z) if z.shape[1] > 1 else z for z in (x, y)]
    assert float(svcca(x, y, null=0)) == pytest.approx(by_qr(*parts)[0].mean(), abs=1e-7)
    assert float(svcca(x, y, variance=1, null=0)) == pytest.approx(by_qr(x, y)[0].mean(), abs=1e-7)


def test_svcca_equals_scikit_learns_correlations():
    x, y = related(100, 4, 3, noise=4)
    first, second = CCA(n_components=3, max_iter=5000, tol=1e-12).fit_transform(x, y)
    expected = np.mean([np.corrcoef(first[:, i], second[:, i])[0, 1] for i in range(3)])
    assert float(svcca(x, y, variance=1, null=0)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("sizes", [(80, 6, 4), (80, 4, 6), (120, 12, 12), (40, 1, 3)])
def test_pwcca_weighs_correlations_by_the_first_array(sizes):
    x, y = related(*sizes, noise=4)
    correlations, variates = by_qr(x, y)
    weights = [sum(abs(variate @ feature) for feature in (x - x.mean(0)).T) for variate in variates.T]
    assert float(pwcca(x, y, null=0)) == pytest.approx(np.average(correlations, weights=weights), abs=1e-7)


@few
def test_fewer_samples_than_features():
    x, y = independent(20, 30, 40)
    assert float(pwcca(x, y, null=0)) == pytest.approx(1)
    assert float(svcca(x, y, variance=1, null=0)) == pytest.approx(1)
    assert 0.2 < float(svcca(x, y, variance=0.5, null=0)) < 0.8


def test_directions_that_are_rounding_do_not_count():
    x, y = independent(200, 3, 3)
    lifted = (x @ np.random.default_rng(1).normal(size=(3, 8))).astype(np.float32)
    assert float(svcca(lifted, y, variance=1, null=0)) == pytest.approx(by_qr(x, y)[0].mean(), abs=1e-3)
    assert float(pwcca(y, lifted, null=0)) == pytest.approx(float(pwcca(y, x, null=0)), abs=1e-3)


def test_a_linear_map_changes_no_correlation():
    x, y = related(100, 5, 4, noise=4)
    bent = x @ np.random.default_rng(1).normal(size=(5, 5)) + 3
    assert float(svcca(bent, y, variance=1, null=0)) == pytest.approx(float(svcca(x, y, variance=1, null=0)))
    assert float(pwcca(y, bent, null=0)) == pytest.approx(float(pwcca(y, x, null=0)))
    assert float(svcca(turned(x), y, null=0)) == pytest.approx(float(svcca(x, y, null=0)))
    assert float(pwcca(x, bent, null=0)) == pytest.approx(1)
