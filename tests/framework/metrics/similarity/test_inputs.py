"""What holds for every measure."""

import numpy as np
import pytest
import torch

from framework.errors import InvalidInput
from framework.metrics import FewSamples, angles, cka, mutual_knn, procrustes, pwcca, rsa, svcca
from tests.framework.metrics.similarity.arrays import independent, related

MEASURES = {each.__name__: each for each in (cka, svcca, pwcca, rsa, procrustes, mutual_knn, angles)}
every = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


@every
def test_arrays_and_tensors_of_every_precision_give_the_same(measure):
    x, y = related(60, 6, 5)
    expected = float(measure(x, y, null=0))
    assert float(measure(torch.from_numpy(x), y, null=0)) == pytest.approx(expected, abs=1e-12)
    assert float(measure(x.tolist(), y.tolist(), null=0)) == pytest.approx(expected, abs=1e-12)
    assert float(measure(torch.from_numpy(x).float().requires_grad_(), y, null=0)) == pytest.approx(
        expected, abs=1e-4
    )
    for half in (torch.float16, torch.bfloat16):
        first, second = torch.from_numpy(x).to(half), torch.from_numpy(y).to(half)
        rounded = float(measure(first.double(), second.double(), null=0))
        assert float(measure(first, second, null=0)) == pytest.approx(rounded, abs=1e-12)
    half_x, half_y = x.astype(np.float16), y.astype(np.float16)
    assert float(measure(half_x, half_y, null=0)) == pytest.approx(expected, abs=0.05)
    frozen = x.copy()
    frozen.flags.writeable = False
    assert float(measure(frozen, y, null=0)) == pytest.approx(expected, abs=1e-12)
    whole = np.round(4 * x).astype(np.int64)
    assert float(measure(whole, y, null=0)) == pytest.approx(float(measure(whole.astype(float), y, null=0)))


@every
def test_images_are_flattened_and_inputs_left_alone(measure):
    x, y = related(80, 12, 8)
    before = x.copy()
    expected = float(measure(x, y, null=0))
    assert float(measure(x.reshape(80, 3, 2, 2), y.reshape(80, 2, 4), null=0)) == pytest.approx(
        expected, abs=1e-12
    )
    np.testing.assert_array_equal(x, before)


@every
def test_size_of_the_numbers_plays_no_part(measure):
    x, y = related(60, 6, 5)
    expected = float(measure(x, y, null=0))
    assert float(measure(1e200 * x, 1e-200 * y, null=0)) == pytest.approx(expected, rel=1e-9)


@every
def test_equal_arrays_are_as_alike_as_can_be(measure):
    x, _ = related(60, 6, 5)
    best = 0.0 if measure in (procrustes, angles) else 1.0
    assert float(measure(x, x, null=0)) == pytest.approx(best, abs=1e-6)


@every
def test_everything_wrong_comes_together(measure):
    x, y = independent(30, 3, 2)
    bad = x.copy()
    bad[3, 1], bad[7] = np.nan, np.inf
    with pytest.raises(InvalidInput) as caught:
        measure(bad, np.array("words"), null=-1)
    assert [problem.key for problem in caught.value.problems] == ["x", "y", "null"]
    assert "2 of 30 rows hold NaN or infinite values" in str(caught.value)
    with pytest.raises(InvalidInput, match="y: has 29 rows where x has 30; they must be of one sample"):
        measure(x, y[1:])
    for empty in (np.empty((0, 3)), np.empty((3, 0)), 1.0):
        with pytest.raises(InvalidInput, match="x: has the shape"):
            measure(empty, y)
    with pytest.raises(InvalidInput, match="x: is complex"):
        measure(torch.ones(30, 2, dtype=torch.complex64), y)
    with pytest.raises(InvalidInput, match=r"x: has 2 rows; this measure needs [34] or more"):
        measure(x[:2], y[:2])


@every
@pytest.mark.parametrize("constant", [np.ones((30, 2)), np.zeros((30, 2)), np.full((30, 2), 1000.1, np.float32)])
def test_constant_arrays_have_no_similarity(measure, constant):
    x, _ = independent(30, 3, 2)
    for pair in ((x, constant), (constant, x)):
        found = measure(*pair, null=5)
        if measure is mutual_knn:  # whose neighbours are random ones
            assert 0 <= float(found) < 0.8
        else:
            assert np.isnan(float(found))


@pytest.mark.parametrize("name", ["cka", "svcca", "pwcca", "procrustes", "angles"])
def test_few_samples_are_warned_about_where_they_matter(name):
    x, y = independent(39, 10, 2)
    with pytest.warns(FewSamples, match=rf"{name}: 39 samples for 10 features.* null") as caught:
        MEASURES[name](x, y, null=0)
    assert caught[0].filename == __file__
    x, y = independent(40, 10, 2)
    MEASURES[name](x, y, null=0)


def test_measures_of_pairs_of_samples_are_not_warned_about():
    x, y = independent(20, 10, 40)
    rsa(x, y, null=0)
    mutual_knn(x, y, null=0)
    cka(x, y, kernel="rbf", null=0)


def test_too_many_pairs_are_refused_with_what_they_take():
    x = np.random.default_rng(0).normal(size=(20_001, 1))
    for measure in (lambda: rsa(x, x), lambda: cka(x, x, kernel="rbf")):
        with pytest.raises(InvalidInput, match="whose pairs take 3 GiB; take at most 20000"):
            measure()


def test_options_that_there_are_not_are_refused():
    x, y = independent(30, 3, 2)
    for call, key in (
        (lambda: cka(x, y, kernel="cubic"), "kernel"),
        (lambda: cka(x, y, kernel="rbf", bandwidth=0), "bandwidth"),
        (lambda: svcca(x, y, variance=0), "variance"),
        (lambda: rsa(x, y, distance="city", comparison="kendall"), "distance"),
        (lambda: mutual_knn(x, y, k=29), "k"),
        (lambda: mutual_knn(x, y, distance="city"), "distance"),
    ):
        with pytest.raises(InvalidInput) as caught:
            call()
        assert caught.value.problems[0].key == key
        assert "allowed" in str(caught.value)


@every
def test_sparse_tensors_are_taken(measure):
    x, y = related(40, 4, 3)
    assert float(measure(torch.from_numpy(x).to_sparse(), y, null=0)) == float(measure(x, y, null=0))
