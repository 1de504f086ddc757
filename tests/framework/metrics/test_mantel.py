"""Against a twin that enumerates in plain Python, what chance gives, and what is planted."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from framework.errors import InvalidInput
from framework.metrics.mantel import complete, holm, mantel


def pairs_of(*models):
    return list(itertools.combinations(models, 2))


def grouped(*sizes):
    """Pairs and groups of models that are numbered through."""
    pairs, groups, start = [], [], 0
    for number, size in enumerate(sizes):
        of = pairs_of(*range(start, start + size))
        pairs, groups, start = pairs + of, groups + [number] * len(of), start + size
    return pairs, groups


def twin(x, y, pairs, groups, scope):
    """Every labelling by itself, each correlation from ranks that are taken anew."""
    value = {frozenset(pair): number for pair, number in zip(pairs, y, strict=True)}
    by_group = {}
    for pair, group in zip(pairs, groups, strict=True):
        by_group.setdefault(group, []).append(pair)
    models = [sorted({model for pair in of for model in pair}) for of in by_group.values()]

    def rho(moved):
        if scope == "pooled":
            return stats.spearmanr(x, moved).statistic
        ranks = []
        for values in (x, moved):
            of = {group: [v for v, own in zip(values, groups, strict=True) if own == group] for group in by_group}
            ranks.append(np.concatenate([stats.rankdata(v) - (len(v) + 1) / 2 for v in of.values()]))
        return float(ranks[0] @ ranks[1]) / math.sqrt(float(ranks[0] @ ranks[0]) * float(ranks[1] @ ranks[1]))

    found = []
    for orders in itertools.product(*(itertools.permutations(of) for of in models)):
        renamed = dict(zip(itertools.chain(*models), itertools.chain(*orders), strict=True))
        found.append(rho([value[frozenset(renamed[model] for model in pair)] for pair in pairs]))
    own, found = rho(y), np.array(found)
    mean = found.mean()
    return own, found, float(np.mean(np.abs(found - mean) >= abs(own - mean) - 1e-9))


@pytest.mark.parametrize("scope", ["within", "pooled"])
@pytest.mark.parametrize("sizes", [(4,), (5,), (3, 4), (4, 4)])
@pytest.mark.parametrize("ties", [False, True])
def test_it_is_the_twin_that_enumerates(scope, sizes, ties):
    pairs, groups = grouped(*sizes)
    numbers = np.random.default_rng(sum(sizes) + ties)
    x, y = numbers.normal(size=(2, len(pairs))) + np.array(groups)
    if ties:
        x, y = x.round(), y.round()
    found = mantel(x, y, pairs, groups, scope=scope)
    own, every, p = twin(x, y, pairs, groups, scope)
    mean = every.mean()
    assert found.exact
    assert found.labellings == math.prod(map(math.factorial, sizes))
    assert (found.rho, found.by_groups, found.p) == pytest.approx((own, mean, p), abs=1e-9)
    assert np.mean(np.abs(every - mean) >= found.critical - 1e-9) >= 0.05
    assert np.mean(np.abs(every - mean) > found.critical + 1e-9) <= 0.05
    assert (found.pairs, found.models, found.groups) == (len(pairs), sum(sizes), len(sizes))


def test_one_group_is_spearmans_rho_whatever_the_order_of_pairs_and_of_their_models():
    pairs = pairs_of(*"abcdef")
    x, y = np.random.default_rng(1).normal(size=(2, 15))
    found = mantel(x, y, pairs)
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.by_groups == pytest.approx(0)
    order = np.random.default_rng(2).permutation(15)
    turned = [pairs[place][::-1] for place in order]
    assert mantel(x[order], y[order], turned).p == found.p
    assert mantel(x, -y, pairs).p == pytest.approx(found.p)


def test_drawn_labellings_come_near_all_of_them_and_never_give_zero():
    pairs, groups = grouped(5, 5)
    x, y = np.random.default_rng(3).normal(size=(2, 20))
    whole = mantel(x, y, pairs, groups, labellings=20_000)
    drawn = mantel(x, y, pairs, groups, labellings=10_000, seed=1)
    assert whole.exact
    assert not drawn.exact
    assert drawn.labellings == 10_000
    assert drawn.p == pytest.approx(whole.p, abs=5 * math.sqrt(whole.p * (1 - whole.p) / 10_000))
    assert drawn == mantel(x, y, pairs, groups, labellings=10_000, seed=1)
    pairs = pairs_of(*range(9))
    distances = [abs(first - second) + 0.01 * first for first, second in pairs]
    assert mantel(distances, distances, pairs, labellings=100).p == pytest.approx(1 / 100, abs=0.02)


def of_models(numbers, size, between):
    """A number a pair that is mostly those of its two models."""
    own = numbers.normal(size=size)
    return [own[i] + own[j] + between * numbers.normal() for i, j in pairs_of(*range(size))]


def test_where_nothing_goes_together_p_is_uniform_though_pairs_share_models():
    """Pairs taken for independent find something three times as often as they should."""
    numbers, pairs = np.random.default_rng(4), pairs_of(*range(6))
    p_values, naive = [], []
    for _ in range(600):
        x, y = of_models(numbers, 6, 0.3), of_models(numbers, 6, 0.3)
        p_values.append(mantel(x, y, pairs).p)
        naive.append(stats.spearmanr(x, y).pvalue)
    for level in (0.05, 0.2, 0.5):
        margin = 4 * math.sqrt(level * (1 - level) / 600)
        assert np.mean(np.array(p_values) <= level) == pytest.approx(level, abs=margin)
    assert np.mean(np.array(naive) <= 0.05) > 0.12


def test_what_groups_alone_make_is_not_found_within_them_nor_in_p():
    numbers = np.random.default_rng(5)
    pairs, groups = grouped(5, 5, 5)
    within, pooled = [], []
    for _ in range(200):
        x, y = (
            np.concatenate([of_models(numbers, 5, 0.5) for _ in range(3)]) + 8 * np.array(groups) for _ in range(2)
        )
        found = mantel(x, y, pairs, groups, scope="pooled", labellings=200)
        pooled.append((found.rho, found.by_groups, found.p))
        within.append(mantel(x, y, pairs, groups, labellings=200).p)
    rho, by_groups, p_values = np.array(pooled).T
    assert rho.min() > 0.6
    np.testing.assert_allclose(rho, by_groups, atol=0.35)
    for found in (p_values, np.array(within)):
        assert np.mean(found <= 0.05) == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 200))


def test_what_is_planted_within_groups_is_found_whatever_the_groups_do():
    numbers = np.random.default_rng(6)
    pairs, groups = grouped(6, 6, 6)
    x = np.concatenate([of_models(numbers, 6, 0.3) for _ in range(3)])
    y = x + 0.2 * numbers.normal(size=len(x)) - 20 * np.array(groups)
    within = mantel(x, y, pairs, groups)
    pooled = mantel(x + 20 * np.array(groups), y, pairs, groups, scope="pooled")
    assert within.rho > 0.8
    assert within.p == pytest.approx(1e-4)
    assert pooled.rho < -0.5, "the groups go against what is in them"
    assert pooled.rho > pooled.by_groups
    assert pooled.p < 0.001


def test_what_does_not_vary_has_no_correlation():
    found = mantel([1.0] * 6, range(6), pairs_of(*"abcd"))
    assert math.isnan(found.rho)
    assert math.isnan(found.p)
    assert found.models == 4
    pairs, groups = grouped(3, 3)
    half = mantel([1, 2, 3, 0, 0, 0], [1, 2, 3, 5, 4, 6], pairs, groups)
    assert half.rho == pytest.approx(math.sqrt(0.5)), "a group in which nothing varies adds nothing"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": [1, 2]}, r"x: has the shape \(2,\) for 6 pairs"),
        ({"y": [1, 2, 3, 4, 5, math.nan]}, "y: holds NaN"),
        ({"groups": [0]}, "groups: has 1 for 6 pairs"),
        ({"groups": [0, 0, 0, 0, 0, 1]}, "has c in the groups 0 and 1"),
        ({"pairs": [*pairs_of(*"abcd")[:5], ("a", "b")]}, "1 there twice, such as "),
        ({"pairs": [*pairs_of(*"abcd")[:5], ("a", "b")]}, r"1 missing, such as \('c', 'd'\)"),
        ({"pairs": [*pairs_of(*"abcd")[:5], ("a", "a")]}, "holds a with itself"),
        ({"x": [1], "y": [1], "pairs": [("a", "b")]}, "has 2 models; allowed: 3 or more"),
        ({"x": [], "y": [], "pairs": []}, "is empty"),
        ({"scope": "both"}, "scope: is 'both'; allowed: within, pooled"),
        ({"labellings": 1}, "labellings: is 1"),
    ],
)  # fmt: skip
def test_what_is_no_set_of_pairs_is_refused(change, message):
    given = {"x": range(6), "y": range(6), "pairs": pairs_of(*"abcd")} | change
    with pytest.raises(InvalidInput, match=message):
        mantel(**given)


def test_models_without_all_of_their_pairs_are_left_out():
    pairs = pairs_of(*"abcde")
    assert complete(pairs) == set("abcde")
    assert complete([pair for pair in pairs if "e" not in pair or pair == ("a", "e")]) == set("abcd")
    assert complete([("a", "b"), ("c", "d")]) in ({"a", "b"}, {"c", "d"})
    assert complete([]) == set()
    kept = complete([pair for pair in pairs if pair != ("a", "b")])
    assert len(kept) == 4


def test_holm_is_the_textbooks():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, math.nan, 0.9])[0] == 1.0
    assert math.isnan(holm([0.5, math.nan])[1])
    assert holm([]) == []
    p_values = np.random.default_rng(0).uniform(0, 0.2, 20)
    adjusted = np.array(holm(p_values))
    for level in (0.01, 0.05, 0.2):  # the step-down test itself, at a level
        order = np.argsort(p_values)
        rejected = set()
        for rank, place in enumerate(order):
            if p_values[place] > level / (20 - rank):
                break
            rejected.add(int(place))
        assert set(np.flatnonzero(adjusted <= level)) == rejected
