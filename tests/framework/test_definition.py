"""Sweep definitions: read as W&B reads them, written for people, refused with every problem."""

import pytest

from framework.definition import Definition, raw_config, read
from framework.errors import DefinitionError

COMMAND = ["${env}", "python", "-m", "experiments", "stitching"]


def definition(**parameters: object) -> Definition:
    return Definition({"name": "x", "method": "grid", "command": COMMAND, "parameters": parameters})


VALUES = [1, 2.5, 0.001, 1e-05, True, None, "1e-3", "01", "true", "2024-01-01", [8, 8], {"a": [1, {"b": None}]}]


def test_text_and_back_keeps_every_value_and_type():
    made = definition(a={"values": VALUES}, n={"parameters": {"x": {"values": [1, 2]}, "y": {"value": "yes"}}})
    back = read(made.text())
    assert back == made
    assert [type(v) for v in back.parameters["a"]["values"]] == [type(v) for v in VALUES]
    assert back.points()[-1] == {"a": VALUES[-1], "n": {"x": 2, "y": "yes"}}


def test_each_value_stands_on_one_line():
    text = definition(pair={"values": [{"s": {"seed": 0}, "t": {"seed": 1}}]}, n={"values": [1, 2]}).text()
    assert "    - {s: {seed: 0}, t: {seed: 1}}\n" in text
    assert "    values: [1, 2]\n" in text


def test_text_that_looks_like_a_number_is_quoted_for_yaml_1_2():
    assert "'1e-3'" in definition(a={"values": ["1e-3"]}).text()


def test_points_do_not_depend_on_the_order_of_the_text():
    one = read("method: grid\nparameters:\n  b: {values: [1, 2]}\n  a: {values: [3, 4]}\n")
    other = read("method: grid\nparameters:\n  a: {values: [3, 4]}\n  b: {values: [1, 2]}\n")
    assert one.points() == other.points() == [{"a": a, "b": b} for a in (3, 4) for b in (1, 2)]
    assert one.size() == 4


def test_coupled_parameters_are_taken_apart():
    assert raw_config({"s+t": {"s": 1, "t": {"u": 2}}, "x": 3}) == {"s": 1, "t": {"u": 2}, "x": 3}


def test_experiment_of_the_command():
    assert definition(a={"value": 1}).experiment == "stitching"
    with pytest.raises(DefinitionError, match=r'"-m", "experiments", "stitching"'):
        _ = Definition({"method": "grid", "program": "train.py", "parameters": {}}).experiment


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "the key `a` stands twice"),
        ("- 1\n", "is not a mapping"),
        ("{", "is not valid YAML"),
        ("method: gird\nparameters: {a: {value: 1}}", "method: is 'gird'; allowed: 'grid', 'random', 'bayes'"),
        ("method: grid\nparamters: {}", "paramters: unknown key; did you mean `parameters`?"),
        ("method: grid\nparameters: {a: 3}", "parameters.a: is 3; write `value: …`"),
        ("method: grid\nparameters: {a: {values: []}}", "parameters.a: needs exactly one of"),
        ("method: grid\nparameters: {a: {value: 1, values: [1]}}", "parameters.a: needs exactly one of"),
        ("method: grid\nparameters: {a: {parameters: {b: 1}}}", "parameters.a.b: is 1"),
        ("method: grid\nname: [a]\nparameters: {a: {value: 1}}", "name: is ['a']; a text is needed"),
        ("method: grid\nparameters: {1: {value: 1}}", "parameters.1: is a int; names are strings"),
        ("method: grid\nparameters: {a: {distribution: normal, mu: 0}}", "a grid allows: categorical, constant"),
    ],
)
def test_what_is_wrong_is_told(text: str, message: str):
    with pytest.raises(DefinitionError) as caught:
        read(text, "sweep.yaml")
    assert message in str(caught.value)


def test_only_a_grid_has_points():
    random = read("method: random\nparameters: {a: {distribution: normal, mu: 0, sigma: 1}}")
    with pytest.raises(DefinitionError, match="only a grid has a list of points"):
        random.points()
