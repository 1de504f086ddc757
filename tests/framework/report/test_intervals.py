import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from framework.report.intervals import Estimate, estimate, estimates


def test_of_independent_rows_it_is_students_interval():
    values = np.random.default_rng(0).normal(size=7)
    found = estimate(values, [(name,) for name in "abcdefg"])
    low, high = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    assert found == pytest.approx(Estimate(values.mean(), low, high, 7, 1, 7))


def test_rows_of_one_model_count_as_one():
    """Four models measured a hundred times each are four numbers: Student's interval of their means."""
    means = [1.0, 2.0, 4.0, 3.0]
    noise = np.random.default_rng(1).normal(0, 0.1, (4, 100))
    values = np.array(means)[:, None] + noise - noise.mean(axis=1, keepdims=True)
    found = estimate(values.ravel(), [(model,) for model in range(4) for _ in range(100)])
    low, high = stats.t.interval(0.95, 3, np.mean(means), stats.sem(means))
    assert (found.low, found.high, found.units, found.rows) == pytest.approx((low, high, 4, 400))


def test_pairs_in_groups_that_share_no_model_are_as_many_as_the_groups():
    models = [(0, 1), (1, 0), (2, 3), (3, 2), (4, 5), (5, 4)]
    values = [1.0, 3.0, 4.0, 6.0, 5.0, 5.0]
    found = estimate(values, models)
    low, high = stats.t.interval(0.95, 2, 4, stats.sem([2, 5, 5]))
    assert found == pytest.approx(Estimate(4, low, high, 3, 1, 6))
    joined = estimate(values, [*models[:4], (4, 3), (5, 4)])  # a chain: 3 ties the groups of 2 and 4
    assert joined.units != 3


def test_kinds_are_chosen_and_not_drawn():
    """The distance between two kinds, however large, is no uncertainty of the mean over both."""
    values, models = [1.0, 1.1, 0.9, 101.0, 101.1, 100.9], [(name,) for name in "abcdef"]
    kinds = [("x",)] * 3 + [("y",)] * 3
    apart = estimate(values, models, kinds=kinds)
    error = math.sqrt(sum(0.5**2 * np.var(values[k : k + 3], ddof=1) / 3 for k in (0, 3)))
    assert apart.high - apart.mean == pytest.approx(stats.t.ppf(0.975, 4) * error)
    assert estimate(values, models).high - apart.mean > 20


@pytest.mark.parametrize(
    ("models", "kinds"),
    [
        ([("a",), ("b",)], None),
        ([("a", "b"), ("b", "a")], None),
        ([("a",), ("b",), ("c",)], [("x",), ("x",), ("y",)]),  # of y there is one
        ([("a", "b"), ("a", "c")], None),  # without a nothing is left
        ([("a", "b"), ("c", "d")], None),  # two pairs: what one model says its partner says again
        ([("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")], None),
        ([("a", "b", "c"), ("d", "e", "f")], None),
        ([("a", "b"), ("c", "d")], [("x", "y"), ("x", "y")]),
    ],
)
def test_of_fewer_than_three_it_is_undefined(models, kinds):
    found = estimate([1.0 + place for place in range(len(models))], models, kinds=kinds)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.mean == pytest.approx(1 + (len(models) - 1) / 2)


def test_equal_numbers_have_no_width():
    found = estimate([2.0] * 6, list(itertools.permutations("abc", 2)), draws=[0, 1] * 3)
    assert (found.low, found.high) == (2, 2)


def test_draws_that_all_pairs_share_widen_it():
    rng = np.random.default_rng(2)
    models = [pair for pair in itertools.permutations(range(5), 2) for _ in range(3)]
    draws = [draw for _ in itertools.permutations(range(5), 2) for draw in range(3)]
    values = rng.normal(0, 0.01, len(models)) + np.array([0.0, 1.0, 2.0])[draws]
    blind, told = estimate(values, models), estimate(values, models, draws=draws)
    assert blind.high - blind.low < 0.1
    low, high = stats.t.interval(0.95, 2, 1, stats.sem([0, 1, 2]))
    assert (told.low, told.high) == pytest.approx((low, high), abs=0.05)
    assert told.draws == 3


def design(name):
    if name == "every ordered pair":
        return list(itertools.permutations(range(5), 2))
    return [pair for k in range(5) for pair in ((2 * k, 2 * k + 1), (2 * k + 1, 2 * k))]


@pytest.mark.parametrize("name", ["every ordered pair", "disjoint pairs"])
@pytest.mark.parametrize("spread", [(1, 1, 0.3, 0), (0.1, 0.1, 1, 0), (0.5, 1, 0.3, 1), (0, 0, 0.1, 1)])
def test_it_holds_the_true_mean_about_as_often_as_it_says(name, spread):
    """y = a_source + b_target + draw + noise. Student's over the rows holds it far less often."""
    rng = np.random.default_rng(5)
    pairs, count = design(name), 400
    models = [pair for pair in pairs for _ in range(4)]
    draws = list(range(4)) * len(pairs)
    source, target = np.array(models).T
    held = naive = 0
    for _ in range(count):
        a, b, d = (rng.normal(0, s, 10) for s in (spread[0], spread[1], spread[3]))
        values = a[source] + b[target] + d[draws] + rng.normal(0, spread[2], len(models))
        found = estimate(values, models, draws=draws)
        held += found.low <= 0 <= found.high
        naive += abs(values.mean()) <= stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    assert held / count >= 0.93
    assert naive / count < (0.97 if spread[2] == 1 else 0.85)


def test_with_kinds_it_holds_the_true_mean_about_as_often_as_it_says():
    """Three models of each of two kinds; pairs of one kind, and of the kinds of one seed."""
    rng = np.random.default_rng(6)
    models = [(k, s) for k in "xy" for s in range(3)]
    pairs = [(m, o) for m, o in itertools.permutations(models, 2) if m[0] == o[0] or m[1] == o[1]]
    level = {("x", "x"): 0, ("y", "y"): 5, ("x", "y"): -3, ("y", "x"): 9}
    rows = [(pair, draw) for pair in pairs for draw in range(3)]
    truth, held = np.mean([level[m[0], o[0]] for (m, o), _ in rows]), 0
    for _ in range(400):
        of, drawn = dict(zip(models, rng.normal(size=6), strict=True)), rng.normal(0, 0.5, 3)
        values = [level[m[0], o[0]] + of[m] + of[o] + drawn[d] + rng.normal(0, 0.3) for (m, o), d in rows]
        kinds = [(m[0], o[0]) for (m, o), _ in rows]
        found = estimate(values, [pair for pair, _ in rows], kinds=kinds, draws=[d for _, d in rows])
        held += found.low <= truth <= found.high
    assert held / 400 >= 0.93


def test_a_frame_gives_a_row_for_each_combination():
    rows = [
        {"mapping": m, "n": n, "source": s, "target": t, "draw": d, "error": m + n + s - t + 0.1 * d}
        for m, n, d in itertools.product((1, 2), (10, 50), (0, 1))
        for s, t in itertools.permutations(range(4), 2)
    ]
    frame = pd.DataFrame([*rows, {**rows[0], "error": math.nan}])
    table = estimates(frame, ["mapping", "n"], "error", models=("source", "target"), draw="draw")
    assert list(table) == ["mapping", "n", *Estimate._fields]
    assert table["mean"].tolist() == pytest.approx([11.05, 51.05, 12.05, 52.05])
    assert set(table["units"]), set(table["rows"]) == ({4}, {24})
    assert (table["low"] < table["mean"]).all()
