"""Spaces: what a parameter means without a distribution, nesting, and every problem with its key and value."""

from typing import Any

import pytest

from framework.errors import Problem
from framework.search.space import distribution_of, read_space


def problems_of(parameters: dict[str, Any]) -> list[str]:
    problems: list[Problem] = []
    read_space(parameters, problems)
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({"value": 3}, "constant"),
        ({"values": [1]}, "categorical"),
        ({"values": [1, 2], "probabilities": [0.5, 0.5]}, "categorical_w_probabilities"),
        ({"min": 1, "max": 3}, "int_uniform"),
        ({"min": 1, "max": 3.0}, "uniform"),
        ({"min": True, "max": 3}, "uniform"),
        ({"distribution": "beta"}, "beta"),
        ({"mu": 0, "sigma": 1}, None),
        ({"min": 1}, None),
        ({}, None),
    ],
)
def test_what_is_left_out_follows_the_schema(spec: dict[str, Any], name: str | None):
    assert distribution_of(spec) == name


def test_a_point_nests_as_its_parameters_do():
    space = read_space(
        {
            "lr": {"min": 0.0, "max": 1.0},
            "model": {"parameters": {"depth": {"min": 1, "max": 3}, "kind": {"value": {"a": [1]}}}},
            "only": {"values": [None]},
            "a.b": {"values": ["x", "y"]},
        },
        [],
    )
    assert list(space.axes) == [("a.b",), ("lr",), ("model", "depth")]
    assert space.point([1, 0.25, 3]) == {
        "lr": 0.25,
        "model": {"depth": 3, "kind": {"a": [1]}},
        "only": None,
        "a.b": "y",
    }
    assert space.at(0.5)["model"]["depth"] == 2


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"distribution": "cauchy"}, "parameters.x.distribution: is 'cauchy'; allowed: constant, categorical"),
        ({"min": 3, "max": 3}, "parameters.x.min: is 3; it must be below `max`, which is 3"),
        ({"min": 0.5, "max": -1}, "parameters.x.min: is 0.5; it must be below"),
        ({"distribution": "log_uniform_values", "min": 0, "max": 1}, "parameters.x.min: is 0; the logarithm"),
        (
            {"distribution": "inv_log_uniform_values", "min": -1, "max": 1},
            "parameters.x.min: is -1; the logarithm",
        ),
        ({"distribution": "log_uniform", "min": 0, "max": 1000}, "parameters.x.max: is 1000; it is an exponent"),
        ({"distribution": "normal", "sigma": 0}, "parameters.x.sigma: is 0; it must be above 0"),
        ({"distribution": "log_normal", "mu": 800}, "parameters.x.mu: is 800"),
        ({"distribution": "beta", "a": -1}, "parameters.x.a: is -1; it must be above 0"),
        ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0}, "parameters.x.q: is 0; it must be above 0"),
        ({"distribution": "uniform", "min": 0}, "parameters.x.max: is missing"),
        (
            {"distribution": "uniform", "min": "1e-3", "max": 1},
            "parameters.x.min: is the text '1e-3', not a number",
        ),
        ({"distribution": "uniform", "min": float("nan"), "max": 1}, "parameters.x.min: is nan"),
        ({"distribution": "uniform", "min": 10**400, "max": 1}, "needs a finite number"),
        (
            {"distribution": "int_uniform", "min": 1, "max": 2.5},
            "parameters.x.max: is 2.5; int_uniform needs an int",
        ),
        ({"min": 0, "max": 3, "q": 1}, "parameters.x.q: unknown key; int_uniform takes: min, max"),
        ({"values": [1, 2], "probabilities": [0.5, 0.4]}, "sum to 0.9; they must sum to 1"),
        ({"values": [1, 2], "probabilities": [1]}, "parameters.x.probabilities: has 1 numbers for 2 values"),
        ({"values": [1, 2], "probabilities": [2, -1]}, "none below 0"),
        ({"values": []}, "parameters.x.values: is []; a list with at least one value"),
        ({"value": 1, "values": [1]}, "parameters.x.values: unknown key; constant takes: value"),
        ({"mu": 0, "sigma": 1}, "parameters.x: has `mu`, `sigma`; write `value`"),
        ({"parameters": {}}, "parameters.x.parameters: is empty"),
        ({"parameters": {"y": {"min": 2, "max": 1}}}, "parameters.x.y.min: is 2"),
        ({"parameters": {"y": {"value": 1}}, "value": 2}, "parameters.x: has value beside `parameters`"),
        (7, "parameters.x: is 7; write `value: …`"),
    ],
)
def test_problems_name_key_value_and_what_is_allowed(spec: Any, message: str):
    [problem] = problems_of({"x": spec, "fine": {"value": 1}})
    assert message in problem


def test_problems_are_told_together():
    found = problems_of({"a": {"min": 2, "max": 1}, "b": {"distribution": "nope"}, 3: {"value": 1}})
    assert len(found) == 3
    assert "parameters.3: is a int; names are strings: quote it" in found
