import numpy as np
import pytest
import torch
import torch.nn.functional as F

from framework.errors import InvalidInput
from framework.ssl.evaluation import search
from framework.ssl.evaluation.search import bank_of, nearest, shared
from tests.second_device import DEVICE, SecondDevice


def rows(count, width=8, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def slow(queries, bank, k):
    """A loop over queries: positions by cosine, then by place."""
    near = (F.normalize(queries, dim=1) @ F.normalize(bank, dim=1).t()).numpy()
    return np.stack([np.lexsort((np.arange(len(bank)), -row))[:k] for row in near])


@pytest.mark.parametrize(("size", "k"), [(1, 1), (7, 7), (17, 3), (1000, 5), (1003, 1), (5000, 20), (300, 299)])
def test_the_nearest_are_those_of_a_loop(size, k):
    queries, bank = rows(40, seed=1), rows(size)
    cosines, positions = nearest(queries, bank, k)
    assert np.array_equal(positions.numpy(), slow(queries, bank, k))
    expected = F.cosine_similarity(queries[:, None], bank[positions], dim=2)
    torch.testing.assert_close(cosines, expected)


@pytest.mark.parametrize("k", [1, 4, 10, 45])
def test_of_equal_cosines_the_first_in_the_bank(k):
    """Directions along axes, each many times: cosines are exact."""
    numbers = torch.Generator().manual_seed(0)
    bank = torch.eye(4)[torch.randint(0, 4, (500,), generator=numbers)]
    queries = torch.tensor([[2.0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 1, 1], [0, 3, 0, 1]])
    assert np.array_equal(nearest(queries, bank, k)[1].numpy(), slow(queries, bank, k))


def test_zeros_are_as_near_to_everything():
    _, positions = nearest(torch.zeros(3, 8), rows(200), 5)
    assert positions.tolist() == [[0, 1, 2, 3, 4]] * 3


def test_chunks_do_not_matter(monkeypatch):
    queries, bank = rows(50, seed=1), rows(400)
    expected = nearest(queries, bank, 9)
    monkeypatch.setattr(search, "FEWEST", 7)
    monkeypatch.setattr(search, "AT_ONCE", 1)
    found = nearest(queries, bank, 9)
    assert torch.equal(found[1], expected[1])
    assert [len(part) for part, _ in bank_of(bank).chunks(queries, 9)] == [7] * 7 + [1]


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_precision(precision):
    cosines, _ = nearest(rows(5).to(precision), rows(90, seed=3).to(precision), 4)
    assert cosines.dtype == (torch.float64 if precision == torch.float64 else torch.float32)


def test_on_a_second_device():
    with SecondDevice():
        queries, bank = rows(20, seed=1), torch.cat([rows(600), rows(600)])  # each row twice: ties
        expected, found = nearest(queries, bank, 11), nearest(queries.to(DEVICE), bank.to(DEVICE), 11)
        assert found[1].device == DEVICE
        assert torch.equal(found[1].cpu(), expected[1])


@pytest.mark.parametrize(
    ("queries", "bank", "k", "told"),
    [
        (rows(3), rows(5), 6, r"k: is 6, and the bank has 5 rows"),
        (rows(3), rows(5), 0, r"k: is 0"),
        (rows(3), rows(5), True, r"k: is True"),
        (rows(3), rows(5, 9), 1, r"queries: have 8 features where the bank has 9"),
        (rows(3)[0], rows(5), 1, r"queries: has the shape \(8,\)"),
        (rows(3), rows(5) / 0, 1, r"bank: 5 of 5 rows hold NaN or infinite values"),
    ],
)
def test_what_has_no_neighbours(queries, bank, k, told):
    with pytest.raises(InvalidInput, match=told):
        nearest(queries, bank, k)


def test_shared_positions():
    assert not shared(None, torch.arange(3))
    assert not shared(torch.arange(3), torch.arange(3, 9))
    (problem,) = shared(torch.arange(4), torch.arange(3, 9))
    assert "1 of the 4 images that are classified lie in the bank" in problem.message
