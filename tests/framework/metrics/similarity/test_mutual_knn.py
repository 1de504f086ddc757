import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from framework.metrics import mutual_knn
from framework.metrics.similarity.mutual_knn import neighbours
from tests.framework.metrics.similarity.arrays import independent, related, turned


def slow(x, y, k, metric):
    of_x, of_y = (
        NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute").fit(z).kneighbors(return_distance=False)
        for z in (x, y)
    )
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(of_x, of_y, strict=True)])


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("sizes", [(60, 5, 4), (40, 90, 3)])
def test_equals_scikit_learns_neighbours(distance, k, sizes):
    x, y = related(*sizes, noise=4)
    assert float(mutual_knn(x, y, k=k, distance=distance, null=0)) == pytest.approx(slow(x, y, k, distance))


def test_rows_are_taken_in_pieces(monkeypatch):
    from sys import modules

    x, y = related(60, 5, 4, noise=4)
    whole = mutual_knn(x, y, null=5)
    monkeypatch.setattr(modules["framework.metrics.similarity.mutual_knn"], "AT_ONCE", 600)
    assert mutual_knn(x, y, null=5) == whole


def test_unrelated_arrays_share_what_chance_gives():
    found = mutual_knn(*independent(200, 8, 8), k=10, null=100)
    assert found.null_mean == pytest.approx(10 / 199, abs=0.003)
    assert found.value == pytest.approx(10 / 199, abs=0.02)


def test_the_order_of_repeated_rows_is_nothing_that_two_arrays_share():
    """Each row ten times: by their place, the neighbours of both would be the same."""
    x, y = independent(200, 1, 1)
    x, y = np.sign(x) * [[1.0, 2.0]], np.sign(y) * [[3.0, 1.0]]
    found = mutual_knn(x, y, k=5, distance="euclidean", null=200)
    assert found.p > 0.01
    assert found.value == pytest.approx(found.null_mean, abs=0.02)


def test_no_row_is_its_own_neighbour_even_if_repeated():
    rows = torch.from_numpy(np.repeat(independent(10, 3, 1)[0], 2, axis=0))
    for distance in ("cosine", "euclidean"):
        found = neighbours(rows, 1, distance, 0, 0)[:, 0]
        assert found.tolist() == [place ^ 1 for place in range(20)]


def test_what_changes_no_distance_changes_nothing():
    x, y = related(60, 5, 4, noise=4)
    given = {"distance": "euclidean", "null": 0}
    assert float(mutual_knn(turned(x), y, **given)) == float(mutual_knn(x, y, **given))
    lengths = np.random.default_rng(0).uniform(0.1, 9, size=(60, 1))
    assert float(mutual_knn(lengths * x, y, null=0)) == float(mutual_knn(x, y, null=0))


@pytest.mark.parametrize(("offset", "scale"), [(1e3, 1e-4), (1e6, 1e-2), (1e8, 1.0)])
def test_an_offset_changes_no_neighbour(offset, scale):
    x = independent(200, 8, 1)[0]
    assert float(mutual_knn(offset + scale * x, x, distance="euclidean", null=0)) == 1
