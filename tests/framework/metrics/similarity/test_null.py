import math

import numpy as np
import pytest
import torch

from framework.metrics import FewSamples, angles, cka, mutual_knn, procrustes, pwcca, rsa, similarities, svcca
from framework.metrics.metric import Metric
from framework.metrics.similarity.null import of_values, orders, shuffled
from tests.framework.metrics.similarity.arrays import independent, related
from tests.framework.threads import one_thread

__all__ = ["one_thread"]

MEASURES = {each.__name__: each for each in (cka, svcca, pwcca, rsa, procrustes, mutual_knn)}
every = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


def again(measure, x, y, null, seed):
    """The null by its definition: the measure of shuffled rows, again and again."""
    drawn = orders(len(x), null, seed, torch.device("cpu"))
    return [float(measure(x[order.numpy()], y, null=0, seed=seed)) for order in drawn]


@every
def test_the_null_is_the_measure_of_shuffled_rows(measure):
    x, y = related(50, 5, 4, noise=3)
    found, values = measure(x, y, null=30, seed=3), again(measure, x, y, 30, 3)
    assert found.null_mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.null_std == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    sign = 1 if found.metric.better == "higher" else -1
    as_similar = sign * np.array(values) >= sign * found.value
    assert found.p == (1 + as_similar.sum()) / 31
    best = 0 if measure is procrustes else 1
    assert found.corrected == pytest.approx((found.value - found.null_mean) / (best - found.null_mean))
    assert (found.n, found.permutations, found.seed) == (50, 30, 3)
    assert found == measure(x, y, null=30, seed=3)


@pytest.mark.parametrize("options", [{"kernel": "rbf"}, {"debiased": False}, {"kernel": "rbf", "debiased": False}])
def test_so_it_is_of_every_kind_of_cka(options):
    x, y = related(40, 5, 4, noise=3)

    def measure(*arrays, **given):
        return cka(*arrays, **options, **given)

    assert measure(x, y, null=20).null_mean == pytest.approx(np.mean(again(measure, x, y, 20, 0)), abs=1e-9)


@every
def test_p_is_small_under_dependence_and_uniform_without(measure):
    assert measure(*related(60, 5, 4), null=99).p == 0.01
    ps = [measure(*independent(40, 4, 3, seed), null=19, seed=seed).p for seed in range(60)]
    assert min(ps) >= 0.05
    assert np.mean(ps) == pytest.approx(0.525, abs=0.15)  # of 60 uniform ones: four standard errors
    assert 0 <= np.mean(np.array(ps) <= 0.25) <= 0.48


def test_what_chance_gives_is_corrected_to_nothing():
    with pytest.warns(FewSamples):
        found = svcca(*independent(60, 20, 20), null=50)
    assert found.value > 0.4
    assert abs(found.corrected) < 0.1


def test_angles_have_the_null_of_shuffled_rows_each():
    x, y = related(50, 4, 3, noise=8)
    found = angles(x, y, null=25, seed=2)
    drawn = orders(50, 25, 2, torch.device("cpu"))
    values = np.stack([angles(x[order.numpy()], y, null=0).values for order in drawn])
    np.testing.assert_allclose(found.null_mean, values.mean(0), atol=1e-9)
    np.testing.assert_allclose(found.null_std, values.std(0, ddof=1), atol=1e-9)
    np.testing.assert_allclose(found.p, (1 + (values <= found.values).sum(0)) / 26)
    assert found.mean.null_mean == pytest.approx(values.mean())
    assert float(found) == pytest.approx(found.values.mean())


def test_without_permutations_there_is_no_null():
    found = cka(*related(40, 4, 3), null=0)
    assert found.permutations == 0
    assert all(map(math.isnan, (found.null_mean, found.null_std, found.p, found.corrected)))
    assert str(found).startswith("cka 0.")
    assert "null" not in str(found)
    one = cka(*related(40, 4, 3), null=1)
    assert one.p in (0.5, 1.0)
    assert math.isnan(one.null_std)
    assert "p = 0." in str(one)


def test_ties_count_against_and_no_room_is_no_correction():
    higher, lower = (Metric("m", "none", better, "one") for better in ("higher", "lower"))
    given = {"n": 9, "seed": 0}
    assert of_values(higher, 0.5, [0.1, 0.5, 0.9], best=1, **given).p == 3 / 4
    assert of_values(lower, 0.5, [0.1, 0.5, 0.9], best=0, **given).p == 3 / 4
    assert math.isnan(of_values(higher, 1.0, [1.0, 1.0], best=1, **given).corrected)
    assert of_values(lower, 1e-8, [0.0, 0.0], best=0, rounding=1e-7, **given).p == 1


def test_matrices_are_shuffled_in_rows_and_columns():
    matrix, order = torch.arange(16.0).reshape(4, 4), torch.tensor([2, 0, 3, 1])
    assert torch.equal(shuffled(matrix, order), matrix[order][:, order])


def test_all_measures_as_one_table():
    x, y = related(80, 6, 5)
    table = similarities(x, y, null=20, seed=1)
    assert table.index.name == "measure"
    assert table.index.tolist() == ["cka", "svcca", "pwcca", "rsa", "procrustes", "mutual_knn", "angle"]
    for name, measure in MEASURES.items():
        alone = measure(x, y, null=20, seed=1)
        assert table.loc[name, ["value", "null_mean", "p"]].tolist() == [alone.value, alone.null_mean, alone.p]
    assert table.loc["angle", "value"] == float(angles(x, y, null=0))
    assert (table[["n", "permutations", "seed"]] == [80, 20, 1]).all(axis=None)
    assert table["better"].tolist() == ["higher"] * 4 + ["lower", "higher", "lower"]
    with pytest.warns(FewSamples, match="similarities: 8 samples for 6 features") as caught:
        similarities(x[:8], y[:8], null=0)
    assert len(caught) == 1
