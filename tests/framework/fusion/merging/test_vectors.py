"""Task arithmetic, TIES and DARE: what is made of task vectors."""

import pytest
import torch

from framework.fusion import merge
from framework.fusion.merging import combine
from framework.fusion.merging.config import Dare, TaskArithmetic, Ties
from framework.fusion.merging.dare import drop_and_rescale
from framework.fusion.merging.ties import disjoint_mean, ties, trim
from tests.framework.fusion.merging.models import close, family, linear, weights


def with_weight(*rows):
    made = linear(len(rows[0]), len(rows))
    with torch.no_grad():
        made.weight.copy_(torch.tensor(rows))
    return made


# --- task arithmetic ------------------------------------------------------------------------------------------


def test_task_arithmetic_adds_what_fine_tuning_changed():
    base = with_weight([1.0, 2.0])
    models = [with_weight([2.0, 2.0]), with_weight([1.0, -1.0])]
    made = merge(models, base, "task_arithmetic", scales=[0.5])
    assert made.weight.tolist() == [[1.5, 0.5]]


def test_a_share_for_each_is_the_soup_and_none_is_the_base():
    base, models = family()
    soup = merge(models, method="soup")
    assert close(merge(models, base, "task_arithmetic", scales=[1 / 3]), soup, atol=1e-6)
    for options in ({"method": "task_arithmetic"}, {"method": "ties", "density": 0.3}):
        assert close(merge(models, base, scales=[0.0], **options), base, atol=0)
    assert close(merge(models, base, "dare", then={"scales": [0.0]}), base, atol=0)


def test_the_factor_is_the_best_on_val_and_the_first_of_equal_ones():
    base, models = family()
    where = float(next(base.parameters()).detach().double().sum())
    step = float(sum(next(m.parameters()).detach().double().sum() for m in models)) - 3 * where

    def score(module):
        scale = (float(next(module.parameters()).detach().double().sum()) - where) / step
        return -abs(scale - 0.6)

    config = TaskArithmetic(scales=(0.1, 0.5, 0.7, 1.0))
    assert combine(models, base, config, score=lambda module: round(score(module), 3)).chosen == {
        "scale": 0.5, "val_score": -0.1,
    }  # fmt: skip
    assert combine(models, base, config, score=lambda _: 1.0).chosen["scale"] == 0.1
    assert combine(models, base, TaskArithmetic(scales=(0.3,))).chosen == {"scale": 0.3}


# --- TIES -----------------------------------------------------------------------------------------------------


def slow_ties(vectors, density):
    """Algorithm 1, entry by entry."""
    flat = [torch.cat([tensor.flatten() for tensor in vector.values()]).tolist() for vector in vectors]
    kept = -(-round(density * len(flat[0]) * 1e6) // 10**6)
    trimmed = []
    for vector in flat:
        least = sorted(map(abs, vector), reverse=True)[kept - 1]
        trimmed.append([value if abs(value) >= least else 0.0 for value in vector])
    merged = []
    for entries in zip(*trimmed, strict=True):
        plus, minus = sum(e for e in entries if e > 0), -sum(e for e in entries if e < 0)
        agreeing = [e for e in entries if (e > 0 and plus > minus) or (e < 0 and minus > plus)]
        merged.append(sum(agreeing) / len(agreeing) if agreeing else 0.0)
    return torch.tensor(merged, dtype=torch.float64)


@pytest.mark.parametrize("density", [0.05, 0.2, 0.37, 0.9, 1.0])
@pytest.mark.parametrize("number", [1, 2, 5])
def test_ties_is_algorithm_one(density, number):
    generator = torch.Generator().manual_seed(number)
    vectors = [
        {
            "a": torch.randn(4, 5, generator=generator, dtype=torch.float64),
            "b": 3 * torch.randn(10, generator=generator, dtype=torch.float64),
        }
        for _ in range(number)
    ]
    found = torch.cat([tensor.flatten() for tensor in ties(vectors, density).values()])
    assert torch.allclose(found, slow_ties(vectors, density))


def test_ties_by_hand():
    base = with_weight([0.0, 0.0, 0.0, 0.0])
    models = [with_weight([5.0, 3.0, 1.0, 0.1]), with_weight([-4.0, 3.0, 2.0, 0.2])]
    # Trimmed to the two largest: (5, 3, 0, 0) and (-4, 3, 0, 0). The first entry's sign is +.
    assert merge(models, base, "ties", density=0.5).weight.tolist() == [[5.0, 3.0, 0.0, 0.0]]
    assert merge(models, base, "ties", density=0.5, scales=[0.5]).weight.tolist() == [[2.5, 1.5, 0.0, 0.0]]


def test_entries_are_ranked_over_the_whole_vector_and_equal_ones_are_all_kept():
    vector = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([10.0, 20.0])}
    assert {name: tensor.tolist() for name, tensor in trim(vector, 0.5).items()} == {"a": [0, 0], "b": [10, 20]}
    even = {"a": torch.tensor([1.0, -1.0, 1.0])}
    assert trim(even, 0.3)["a"].tolist() == [1, -1, 1]
    zero = {"a": torch.zeros(4)}
    assert trim(zero, 0.3)["a"].tolist() == [0, 0, 0, 0]


def test_a_share_is_counted_without_the_error_of_its_product():
    assert 0.07 * 100 > 7
    assert int((trim({"a": torch.arange(1.0, 101.0)}, 0.07)["a"] > 0).sum()) == 7


def test_a_sign_that_is_not_decided_leaves_the_base():
    entries = torch.tensor([[2.0, 0.0, 3.0], [-2.0, 0.0, -1.0]])
    assert disjoint_mean(entries).tolist() == [0, 0, 3]


def test_ties_without_trimming_on_vectors_that_agree_is_the_soup():
    base, models = family(size=0.0)
    with torch.no_grad():
        for number, model in enumerate(models, start=1):
            for part in model.parameters():
                part.add_(0.1 * number)
    assert close(merge(models, base, "ties", density=1.0), merge(models, method="soup"), atol=1e-6)


# --- DARE -----------------------------------------------------------------------------------------------------


def test_what_is_not_dropped_is_larger_and_the_mean_stays():
    vectors = [{"a": torch.ones(200, 500), "b": torch.full((30,), -2.0)}, {"a": torch.ones(200, 500)}]
    left = drop_and_rescale(vectors, 0.75, seed=0)
    assert set(left[0]["a"].unique().tolist()) == {0, 4}
    assert set(left[0]["b"].unique().tolist()) == {0, -8}
    assert float((left[0]["a"] == 0).double().mean()) == pytest.approx(0.75, abs=0.01)
    both = float(((left[0]["a"] == 0) & (left[1]["a"] == 0)).double().mean())
    assert both == pytest.approx(0.75**2, abs=0.01), "models drop different entries"


@pytest.mark.parametrize("then", [{"kind": "task_arithmetic", "scales": [0.3]}, {"kind": "ties", "density": 0.5}])
def test_dare_that_drops_nothing_is_what_follows_it(then):
    base, models = family()
    options = {key: value for key, value in then.items() if key != "kind"}
    plain = merge(models, base, then["kind"], **options)
    assert close(merge(models, base, "dare", drop_rate=0.0, then=then), plain, atol=0)
    assert not close(merge(models, base, "dare", drop_rate=0.5, then=then), plain, atol=1e-3)


def test_the_draw_is_the_seeds():
    base, models = family()
    first, again, other = (merge(models, base, "dare", seed=seed) for seed in (0, 0, 1))
    assert close(first, again, atol=0)
    assert not close(first, other, atol=1e-3)
    double = merge([model.double() for model in models], base.double(), "dare", seed=0)
    assert close(first, double, atol=1e-5), "the draw is the same in every precision"


def test_dare_with_ties_is_both_by_hand():
    base, models = family()
    config = Dare(drop_rate=0.6, seed=3, then=Ties(density=0.4, scales=(0.7,)))
    made = weights(combine(models, base, config).model)
    start = weights(base)
    vectors = [{name: tensor - start[name] for name, tensor in weights(model).items()} for model in models]
    generator = torch.Generator().manual_seed(3)
    left = [
        {
            name: torch.where(torch.rand(tensor.shape, generator=generator) >= 0.6, tensor / 0.4, 0)
            for name, tensor in vector.items()
        }
        for vector in vectors
    ]
    expected = torch.cat([start[name].flatten() for name in start]) + 0.7 * slow_ties(left, 0.4)
    assert torch.allclose(torch.cat([made[name].flatten() for name in start]), expected, atol=1e-5)
