"""Exponents that YAML 1.1 takes for text: numbers where only numbers can be meant, text where text may be."""

from typing import Any

import pytest

from framework.definition import checked, read
from framework.errors import DefinitionError


def parameter(spec: str, method: str = "random") -> dict[str, Any]:
    found: dict[str, Any] = read(f"method: {method}\nparameters: {{x: {spec}}}").parameters["x"]
    return found


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("{distribution: log_uniform_values, min: 1e-4, max: 1E-2}", {"min": 0.0001, "max": 0.01}),
        ("{min: 1e-4, max: 0.5}", {"min": 0.0001, "max": 0.5}),
        ("{distribution: normal, mu: -1e-3, sigma: .5e-3}", {"mu": -0.001, "sigma": 0.0005}),
        ("{distribution: q_uniform, min: 0, max: 1.5e3, q: 1e+1}", {"min": 0, "max": 1500.0, "q": 10.0}),
        ("{distribution: beta, a: 5e-1, b: 2}", {"a": 0.5, "b": 2}),
        ("{distribution: int_uniform, min: 1, max: 1e3}", {"min": 1, "max": 1000}),
        ("{values: [a, b], probabilities: [1e-1, 9e-1]}", {"values": ["a", "b"], "probabilities": [0.1, 0.9]}),
    ],
)
def test_only_numbers_can_be_meant(spec: str, expected: dict[str, Any]):
    for found in (parameter(spec), parameter(f"{{parameters: {{inner: {spec}}}}}")["parameters"]["inner"]):
        found.pop("distribution", None)
        assert found == expected
        assert [type(value) for value in found.values()] == [type(value) for value in expected.values()]


def test_a_range_of_a_grid_has_whole_ends():
    definition = checked("method: grid\nparameters: {x: {min: 0, max: 1e1}}")
    assert [point["x"] for point in definition.points()] == list(range(11))


@pytest.mark.parametrize(
    "spec", ["{values: [1e-4, 1e-3]}", "{value: 1e-4}", "{value: {min: 1e-4}}", "{min: 1e-4x}"]
)
def test_text_stays_text_where_text_may_be_meant(spec: str):
    assert "1e-4" in str(parameter(spec))


def test_a_parameter_may_be_called_as_a_key_is():
    text = "method: grid\nparameters: {min: {value: 1e-4}, parameters: {parameters: {max: {values: [1e-4]}}}}"
    assert read(text).points() == [{"min": "1e-4", "parameters": {"max": "1e-4"}}]


def test_numbers_outside_the_parameters():
    rules = "metric: {name: l, target: 1e-3}\nearly_terminate: {type: hyperband, min_iter: 1e1, eta: 2e0}"
    data = checked(f"method: random\n{rules}\nrun_cap: 1e2\nparameters: {{x: {{min: 0, max: 1}}}}").data
    assert data["metric"]["target"] == 0.001
    assert data["early_terminate"] == {"type": "hyperband", "min_iter": 10, "eta": 2}
    assert (data["run_cap"], type(data["run_cap"])) == (100, int)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{distribution: uniform, min: '0.5', max: 1}", "parameters.x.min: is the text '0.5', not a number"),
        ("{distribution: uniform, min: 0, max: 1e999}", "parameters.x.max: is inf"),
        (
            "{distribution: int_uniform, min: 0, max: 1e-1}",
            "parameters.x.max: is 0.1; int_uniform needs an integer",
        ),
    ],
)
def test_what_is_no_number_there_is_still_refused(spec: str, message: str):
    with pytest.raises(DefinitionError) as caught:
        checked(f"method: random\nparameters: {{x: {spec}}}")
    assert message in str(caught.value)
