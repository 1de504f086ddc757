import pytest
import torch
from reptrix.rankme import get_rank

from framework.errors import InvalidInput
from framework.ssl.diagnostics.rankme import effective_rank, rankme
from tests.framework.ssl.diagnostics.conftest import orthogonal
from tests.second_device import DEVICE, SecondDevice


def with_singular_values(values, rows, columns):
    """Rows (rows, columns) with these singular values."""
    middle = torch.zeros(rows, columns, dtype=torch.float64)
    middle.diagonal()[: len(values)] = torch.as_tensor(values, dtype=torch.float64)
    return orthogonal(rows) @ middle @ orthogonal(columns, seed=1)


@pytest.mark.parametrize(("rows", "columns"), [(30, 8), (8, 30), (9, 9)])
@pytest.mark.parametrize("rank", [1, 3, 8])
def test_equal_singular_values_have_their_number(rows, columns, rank):
    assert rankme(with_singular_values([2.0] * rank, rows, columns)) == pytest.approx(rank, rel=1e-4)


def test_a_known_spectrum():
    """Shares 1/2, 1/4, 1/8, 1/8 have the entropy 7/4 log 2."""
    features = with_singular_values([4.0, 2, 1, 1], 20, 6)
    assert rankme(features, eps=0) == pytest.approx(2**1.75)
    assert rankme(7 * features, eps=0) == pytest.approx(2**1.75)


def test_the_entropy_is_that_of_reptrix():
    """Which takes it of the eigenvalues of the covariance, not of the singular values as the paper does."""
    spectrum = torch.tensor([5.0, 3, 0.2, 1e-3], dtype=torch.float64)
    assert effective_rank(spectrum) == pytest.approx(get_rank(spectrum.numpy()), rel=1e-12)


def test_the_formula_by_loops():
    features = torch.randn(12, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sigmas = [float(value) ** 0.5 for value in torch.linalg.eigvalsh(features.t() @ features)]
    shares = [sigma / sum(sigmas) + 1e-7 for sigma in sigmas]
    expected = 2.718281828459045 ** -sum(share * torch.tensor(share).double().log().item() for share in shares)
    assert rankme(features) == pytest.approx(expected, rel=1e-6)


def test_constant_features_and_zeros():
    assert rankme(torch.full((10, 4), 3.0)) == pytest.approx(1, rel=1e-4)
    assert rankme(torch.zeros(10, 4)) == 0


def test_a_cube_is_the_rows_of_all_views():
    cube = torch.randn(3, 7, 4, generator=torch.Generator().manual_seed(0))
    assert rankme(cube) == rankme(cube.reshape(21, 4)) == rankme(cube.numpy())


def test_on_a_second_device():
    with SecondDevice():
        features = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
        assert rankme(features.to(DEVICE)) == pytest.approx(rankme(features))


def test_nan_is_told():
    with pytest.raises(InvalidInput, match=r"rankme: 1 problem\n  - numbers: 1 of 8 are NaN or infinite"):
        rankme(torch.tensor([[1.0, torch.nan]] + [[1.0, 2.0]] * 3))
