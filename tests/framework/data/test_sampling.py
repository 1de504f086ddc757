import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from framework.data import STRATEGIES, Candidates
from framework.data.sampling import furthest_order, hull_vertices
from framework.errors import ConfigError

LABELS = np.repeat(np.arange(4), [400, 300, 60, 40])
OF_CLASS = [np.flatnonzero(LABELS == c) for c in range(4)]  # noqa: SIM300
RNG = np.random.default_rng(0)
LATENTS = RNG.normal(size=(800, 5)) + LABELS[:, None]
# Class 2 is the worst by far, then 0, 3, 1; within a class a fifth of the images is hard.
ERRORS = np.array([0.4, 0.1, 0.9, 0.2])[LABELS] + RNG.uniform(0, 0.05, 800) + 2.0 * (RNG.random(800) < 0.2)
UNEVEN = Candidates(LABELS)
ALL = Candidates(LABELS, ERRORS, LATENTS)
LISTED = Candidates(LABELS, ERRORS, LATENTS, classes=(1, 3))


def pick(strategy, candidates=ALL, n=24, seed=0):
    return STRATEGIES[strategy](candidates, n, seed)


def candidates_for(strategy):
    return LISTED if strategy == "class_list" else ALL


@given(n=st.integers(1, 160), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_equally_gives_each_class_its_share_by_at_most_one(n, seed):
    picked = pick("equally", UNEVEN, n, seed)
    counts = np.bincount(LABELS[picked], minlength=4)
    assert len(picked) == len(set(picked.tolist())) == n
    assert np.ptp(counts) <= 1


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(n=st.integers(1, 40), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_every_strategy_gives_exactly_n_different_candidates(strategy, n, seed):
    picked = pick(strategy, candidates_for(strategy), n, seed)
    assert len(picked) == len(set(picked.tolist())) == n
    assert picked.min() >= 0
    assert picked.max() < len(LABELS)
    assert (np.diff(picked) > 0).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_seed_alone_decides(strategy):
    def same(seed):
        return pick(strategy, candidates_for(strategy), 30, seed).tolist()

    assert same(7) == same(7)
    assert same(7) != same(8)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_listed_classes_restrict_every_strategy(strategy):
    assert set(LABELS[pick(strategy, LISTED, n=12)]) <= {1, 3}


def test_random_follows_the_sizes_of_the_classes_and_equally_does_not():
    shares = np.mean([np.bincount(LABELS[pick("random", UNEVEN, 80, s)], minlength=4) / 80 for s in range(50)], 0)
    np.testing.assert_allclose(shares, np.bincount(LABELS) / len(LABELS), atol=0.03)
    assert np.bincount(LABELS[pick("equally", UNEVEN, 80)]).tolist() == [20, 20, 20, 20]


def test_the_classes_that_give_one_more_are_drawn_too():
    extra = {
        int(np.bincount(LABELS[pick("equally", UNEVEN, 5, seed)], minlength=4).argmax()) for seed in range(40)
    }
    assert extra == {0, 1, 2, 3}


def test_equally_within_a_class_every_image_has_its_chance():
    hits = np.zeros(len(LABELS))
    for seed in range(200):
        hits[pick("equally", UNEVEN, 80, seed)] += 1
    assert (hits[-100:] > 0).all()


def test_outlier_drops_the_images_with_large_errors_and_hard_takes_them():
    bound = ERRORS.mean() + ERRORS.std() / 2
    for seed in range(20):
        assert (ERRORS[pick("outlier", seed=seed)] <= bound).all()
        assert (ERRORS[pick("hard", n=12, seed=seed)] > bound).all()
    for strategy, n in (("outlier", 24), ("hard", 12)):
        assert np.ptp(np.bincount(LABELS[pick(strategy, n=n)], minlength=4)) <= 1


def test_worst_classes_have_the_largest_error_and_best_the_smallest():
    means = [ERRORS[members].mean() for members in OF_CLASS]
    assert np.argsort(means).tolist() == [1, 3, 0, 2]
    assert set(LABELS[pick("worst_classes")]) == {0, 2}
    assert set(LABELS[pick("best_classes")]) == {1, 3}
    assert np.bincount(LABELS[pick("worst_classes", n=25)])[[0, 2]].tolist() in ([12, 13], [13, 12])


def is_vertex(points, i):
    """Whether no convex combination of the other points is point i: the definition, as a linear program."""
    others = np.delete(points, i, axis=0)
    equal = np.vstack([others.T, np.ones(len(others))])
    return not linprog(np.zeros(len(others)), A_eq=equal, b_eq=[*points[i], 1], bounds=(0, None)).success


def test_hull_points_are_the_vertices_in_the_first_three_principal_components():
    points = np.random.default_rng(1).normal(size=(60, 6)) * [5, 4, 3, 1, 1, 1]
    centred = points - points.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    projected = centred @ vectors[:, np.argsort(values)[::-1][:3]]
    assert hull_vertices(points).tolist() == [i for i in range(60) if is_vertex(projected, i)]


def test_convex_hull_takes_vertices_of_each_class_and_fills_what_is_short():
    vertices = [members[hull_vertices(LATENTS[members])] for members in OF_CLASS]
    picked = pick("convex_hull", n=40)
    for label in range(4):
        of_class = picked[LABELS[picked] == label]
        assert len(of_class) == 10
        assert set(of_class) <= set(vertices[label])
    picked = pick("convex_hull", n=160)
    smallest = picked[LABELS[picked] == 3]
    assert len(smallest) == 40
    assert set(vertices[3]) <= set(smallest)


def test_hulls_that_are_flat_or_one_dimensional():
    line = np.arange(9.0)[:, None]
    assert hull_vertices(line).tolist() == [0, 8]
    assert len(hull_vertices(np.zeros((7, 3)))) == 7
    assert len(hull_vertices(np.eye(3))) == 3


def slow_order(points, count, start):
    order = [start]
    while len(order) < count:
        distances = [min(np.linalg.norm(p - points[j]) for j in order) for p in points]
        order.append(int(np.argmax(distances)))
    return order


def test_furthest_order_is_that_of_its_definition():
    points = np.random.default_rng(2).normal(size=(50, 4))
    assert furthest_order(points, 20, 7).tolist() == slow_order(points, 20, 7)
    corners = np.array([[0, 0], [1, 0], [0, 2], [10, 0], [5, 5]])
    assert furthest_order(corners, 3, 0).tolist() == [0, 3, 4]
    assert sorted(furthest_order(np.zeros((4, 2)), 4, 1)) == [0, 1, 2, 3]


def test_furthest_away_spreads_wider_than_random():
    def nearest(picked):
        gaps = np.linalg.norm(LATENTS[picked][:, None] - LATENTS[picked][None], axis=2)
        return np.sort(gaps, axis=1)[:, 1].min()

    assert nearest(pick("furthest_away")) > 1.5 * max(nearest(pick("random", seed=s)) for s in range(10))


def test_too_many_are_refused_with_strategy_number_and_what_there_is():
    with pytest.raises(ConfigError, match="is 801, for which sampling=random needs 801 candidates; there are 800"):
        pick("random", UNEVEN, 801)
    with pytest.raises(ConfigError, match=r"is 200, .*equally needs 50 candidates of class 3; there are 40"):
        pick("equally", UNEVEN, 200)
    with pytest.raises(ConfigError, match=r"sampling=furthest_away needs 341 candidates; there are 340"):
        pick("furthest_away", LISTED, 341)
    with pytest.raises(ConfigError, match=r"sampling=hard needs \d+ candidates of class"):
        pick("hard", n=120)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_samples_are_refused(strategy):
    with pytest.raises(ConfigError, match="allowed: a positive integer"):
        pick(strategy, candidates_for(strategy), 0)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_class_that_is_absent_is_refused_by_name(strategy):
    absent = Candidates(LABELS, ERRORS, LATENTS, classes=(1, 7, 9))
    with pytest.raises(ConfigError, match=r"names the classes \[7, 9\], which have no image here; there are"):
        pick(strategy, absent)


@pytest.mark.parametrize(
    ("strategy", "what"),
    [
        *((name, "errors") for name in ("outlier", "hard", "worst_classes", "best_classes")),
        *((name, "latents") for name in ("convex_hull", "furthest_away")),
    ],
)
def test_what_a_strategy_looks_at_must_be_known(strategy, what):
    with pytest.raises(ConfigError, match=f"is {strategy}, which looks at the {what} of the candidates"):
        pick(strategy, UNEVEN)


def test_class_list_needs_classes():
    with pytest.raises(ConfigError, match="list them in sampling_classes"):
        pick("class_list", ALL)
