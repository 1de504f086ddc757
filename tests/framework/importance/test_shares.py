"""Variance shares against a slow twin, a linear model, scipy's F-test and cases known by hand."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f_oneway

from framework.importance import Importance, importance
from framework.importance.shares import variance_shares


def grid(levels: dict[str, list[Any]], seeds: int = 1) -> list[dict[str, Any]]:
    points = [dict(zip(levels, point, strict=True)) for point in itertools.product(*levels.values())]
    return [point for point in points for _ in range(seeds)]


def shares_of(points: list[dict[str, Any]], values: Any) -> Importance:
    names = list(dict.fromkeys(name for point in points for name in point))
    return variance_shares({name: [point.get(name) for point in points] for name in names}, list(values))


def by_name(found: Importance) -> dict[str, float]:
    return {"*".join(effect.factors): effect.share for effect in found.effects}


def test_a_sum_has_shares_and_no_pair() -> None:
    points = grid({"a": [0, 1], "b": [0, 1, 2]})
    found = shares_of(points, [3 * p["a"] + p["b"] for p in points])
    total = 9 / 4 + 2 / 3
    assert by_name(found) == pytest.approx({"a": 9 / 4 / total, "b": 2 / 3 / total, "a*b": 0.0}, abs=1e-12)
    assert (found.exact, found.cells, found.left) == (True, 6, pytest.approx(0, abs=1e-12))
    assert "seeds is not known" in found.notes[0]


def test_a_product_of_signs_is_all_pair_and_three_are_what_is_left() -> None:
    points = grid({"a": [-1, 1], "b": [-1, 1], "c": [-1, 1]})
    assert by_name(shares_of(points, [p["a"] * p["b"] for p in points]))["a*b"] == pytest.approx(1)
    found = shares_of(points, [p["a"] * p["b"] * p["c"] for p in points])
    assert found.left == pytest.approx(1)
    assert max(map(abs, by_name(found).values())) < 1e-12


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(2, 4), min_size=2, max_size=4), st.integers(1, 3), st.integers(0, 10_000))
def test_they_are_those_of_a_linear_model(sizes: list[int], seeds: int, seed: int) -> None:
    """The parts are drops of the residual of nested models, fitted by least squares."""
    points = grid({f"f{i}": list(range(size)) for i, size in enumerate(sizes)}, seeds)
    values = np.random.default_rng(seed).normal(size=len(points))
    found = shares_of(points, values)

    def explained(*names: str) -> float:
        columns = [np.ones(len(points))]
        for size in range(1, len(names) + 1):
            for chosen in itertools.combinations(names, size):
                levels = sorted({tuple(point[name] for name in chosen) for point in points})
                columns += [
                    np.array([tuple(p[name] for name in chosen) == level for p in points], float)
                    for level in levels
                ]
        design = np.stack(columns, axis=1)
        fitted = design @ np.linalg.lstsq(design, values, rcond=None)[0]
        return float(((fitted - values.mean()) ** 2).mean())

    for effect in found.effects:
        expected = explained(*effect.factors)
        if len(effect.factors) == 2:
            expected -= explained(effect.factors[0]) + explained(effect.factors[1])
        assert effect.share == pytest.approx(expected / values.var(), abs=1e-9)
    parts = sum(effect.share for effect in found.effects) + (found.seeds or 0.0) + (found.left or 0.0)
    assert parts == pytest.approx(1)


def test_one_factor_is_tested_as_scipy_tests_it() -> None:
    points = grid({"a": [0, 1, 2]}, seeds=5)
    values = np.random.default_rng(0).normal(size=15) + [p["a"] for p in points]
    effect = shares_of(points, values).effects[0]
    groups = [[v for p, v in zip(points, values, strict=True) if p["a"] == level] for level in range(3)]
    assert effect.p == pytest.approx(f_oneway(*groups).pvalue)


def test_noise_alone_has_the_share_of_its_floor() -> None:
    points = grid({"a": [0, 1, 2, 3], "b": [0, 1, 2]}, seeds=3)
    draw = np.random.default_rng(0)
    draws = [shares_of(points, draw.normal(size=len(points))) for _ in range(500)]
    for name in ("a", "b", "a*b"):
        effects = [effect for found in draws for effect in found.effects if "*".join(effect.factors) == name]
        floors = [effect.floor for effect in effects if effect.floor is not None]
        assert np.mean([effect.share for effect in effects]) == pytest.approx(np.mean(floors), rel=0.1)
        below = np.mean([effect.p is not None and effect.p < 0.05 for effect in effects])
        assert below == pytest.approx(0.05, abs=0.04)


def test_a_branch_explains_what_its_kind_does_not() -> None:
    points = [
        *[{"kind": "linear", "ridge": ridge, "data": data} for ridge in (0.0, 0.1) for data in "xy"],
        *[{"kind": kind, "data": data} for kind in ("mlp", "decouple") for data in "xy"],
    ]
    values = [10 * (p["kind"] == "mlp") + 2 * (p.get("ridge") == 0.1) + (p["data"] == "y") for p in points]
    found = shares_of(points, values)
    assert found.exact
    total = np.var(values)
    within = np.mean([1, 1, 1, 1, 0, 0, 0, 0])  # ridge is 0 or 2 in half of the cells
    assert by_name(found)["ridge"] == pytest.approx(within / total)
    assert by_name(found)["data"] == pytest.approx(0.25 / total)
    assert found.left == pytest.approx(0, abs=1e-12)
    assert "kind*ridge" not in by_name(found)


def test_a_finer_factor_is_nested_and_two_that_say_the_same_are_one() -> None:
    points = grid({"task": [0, 1, 2, 3], "rate": [0.1, 0.2]})
    for point in points:
        point |= {"parity": point["task"] % 2, "name": f"task {point['task']}"}
    found = shares_of(points, [10 * p["parity"] + p["task"] // 2 for p in points])
    assert by_name(found)["parity"] == pytest.approx(25 / 25.25)
    assert by_name(found)["task = name"] == pytest.approx(0.25 / 25.25)
    assert found.exact


def test_a_branch_of_one_level_is_no_factor_of_its_own() -> None:
    points = [{"kind": "a", "x": 1}, {"kind": "b"}, {"kind": "c"}]
    assert list(by_name(shares_of(points, [1.0, 2.0, 4.0]))) == ["kind"]


def test_a_field_of_branches_that_follows_from_their_kind_is_no_factor_of_its_own() -> None:
    kinds = ["a", "b", "c", "d"] * 3
    output = [{"a": 512, "b": 512, "c": 64}.get(kind) for kind in kinds]
    values = [float(ord(kind)) for kind in kinds]
    found = importance("grid", {"output": output, "kind": kinds}, values)
    assert [effect.factors for effect in found.effects] == [("kind",)]
    assert found.effects[0].share == pytest.approx(1.0)


def test_a_grid_with_holes_is_not_called_exact() -> None:
    points = grid({"a": [0, 1, 2], "b": [0, 1, 2]}, seeds=2)
    hole = [point for point in points if point != {"a": 2, "b": 2}]
    found = shares_of(hole, [p["a"] + p["b"] for p in hole])
    assert not found.exact
    assert "combinations of levels have no run" in found.notes[0]


@pytest.mark.parametrize(
    ("values", "note"),
    [([1.0, float("nan"), 2.0, float("inf")], "2 of 4 runs"), ([7.0] * 4, "same in all runs"),
     ([float("nan")] * 4, "no factor varies")],
)  # fmt: skip
def test_what_cannot_be_told_is_said(values: list[float], note: str) -> None:
    found = shares_of(grid({"a": [0, 1], "b": [0, 1]}), values)
    assert any(note in line for line in found.notes), found.notes


def test_levels_are_values_not_their_types() -> None:
    points = [{"a": value} for value in (1, 1.0, True, "1", [1], [1], None, float("nan"))]
    found = shares_of(points, [0.0, 0.0, 1.0, 2.0, 3.0, 3.0, 4.0, 4.0])
    assert (found.cells, found.seeds) == (5, pytest.approx(0))


def test_what_was_drawn_is_told_by_ped_anova() -> None:
    draw = np.random.default_rng(0)
    x, y, kinds = draw.random(400), draw.random(400), draw.choice(["a", "b"], 400)
    factors = {"x": list(x), "y": list(y), "kind": list(kinds), "same": [1] * 400}
    found = importance("random", factors, list((x - 0.3) ** 2 + 0.01 * y))
    assert (found.method, found.exact, found.seeds) == ("PED-ANOVA", False, None)
    assert found.effects[0].factors == ("x",)
    assert {effect.factors[0] for effect in found.effects} == {"x", "y", "kind"}
    assert sum(effect.share for effect in found.effects) == pytest.approx(1)
    best = importance("bayes", {"x": list(x), "y": list(y)}, list(y), maximize=True)
    assert best.effects[0].factors == ("y",)
    assert "it takes 10 runs" in importance("random", {"x": [1.0, 2.0]}, [1.0, 2.0]).notes[0]
