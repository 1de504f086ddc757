"""Sweep definitions: read as W&B reads them, written for people, refused with every problem."""

from pathlib import Path

import pytest

from framework.definition import KNOWN_KEYS, Definition, checked, raw_config, read, read_file
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


def test_parameters_that_share_a_key_go_together_unless_they_contradict_each_other():
    coupled = {"s+t": {"s": {"a": 1}, "t": 2}, "s": {"b": 3, "a": 1}}
    assert raw_config(coupled) == raw_config(dict(reversed(coupled.items()))) == {"s": {"a": 1, "b": 3}, "t": 2}
    with pytest.raises(DefinitionError, match=r"s\.a: is 1 and 4 in one point, by two parameters"):
        raw_config({"s+t": {"s": {"a": 1}}, "s": {"a": 4}})
    with pytest.raises(DefinitionError, match=r"s: is \{'a': 1\} and 7 in one point"):
        raw_config({"s+t": {"s": {"a": 1}}, "s": 7})


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
        ("method: grid\nparamters: {}", "paramters: unknown key, which plays no part; did you mean `parameters`?"),
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


ANCHORS = """
method: random
defaults: &defaults {distribution: uniform, min: 0, max: 1}
x-base: &base {mu: 0, sigma: 1}
parameters:
  a: *defaults
  b: {<<: *base, distribution: normal, min: -1, max: 1}
  c: {parameters: {d: {distribution: q_log_normal, mu: 0, sigma: 1, q: 1, max: 3}}}
"""


def test_what_nothing_follows_is_a_warning_as_on_wandb():
    made = checked(ANCHORS)
    assert [str(problem) for problem in made.warnings] == [
        "defaults: unknown key, which plays no part",
        "x-base: unknown key, which plays no part",
        "parameters.b.max: plays no part: normal takes mu, sigma; for bounds, draw from `uniform`",
        "parameters.b.min: plays no part: normal takes mu, sigma; for bounds, draw from `uniform`",
        "parameters.c.d.max: plays no part: q_log_normal takes mu, sigma, q; for bounds, draw from `uniform`",
    ]
    space = made.space()
    assert space is not None
    assert list(space.axes) == [("a",), ("b",), ("c", "d")]
    slip = checked("method: grid\nrun_caps: 3\nparameters: {a: {values: [1, 2]}}")
    assert [str(problem) for problem in slip.warnings] == [
        "run_caps: unknown key, which plays no part; did you mean `run_cap`?"
    ]


def test_what_cannot_work_stays_an_error_and_warnings_stand_beside_it():
    with pytest.raises(DefinitionError) as caught:
        checked("method: random\nx: 1\nparameters: {a: {distribution: normal, min: 0, sigmma: 2}}")
    assert [problem.key for problem in caught.value.problems] == ["x", "parameters.a.min", "parameters.a.sigmma"]


def test_only_a_grid_has_points():
    random = read("method: random\nparameters: {a: {distribution: normal, mu: 0, sigma: 1}}")
    with pytest.raises(DefinitionError, match="only a grid has a list of points"):
        random.points()


# The keys at the top of W&B's schema for sweeps (src/sweeps/config/schema.json of wandb/sweeps), less `metrics`.
SCHEMA = (
    "apiVersion command controller description early_terminate entity image_uri job kind method metric name "
    "parameters program project run_cap scheduler"
)


def test_every_key_of_the_schema_is_known():
    assert sorted(KNOWN_KEYS) == sorted(SCHEMA.split())
    text = (
        "apiVersion: v1\nkind: sweep\ncontroller: {type: cloud}\nmethod: grid\nparameters: {a: {values: [1, 2]}}"
    )
    assert checked(text).points() == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: swep\nmethod: grid\nparameters: {a: {value: 1}}", "kind: is 'swep'; allowed: sweep"),
        (
            "metrics: [{name: a}, {name: b}]\nmethod: grid\nparameters: {a: {value: 1}}",
            "metrics: is for `method: custom`",
        ),
        (
            "method: grid\nmetric: {name: m, goal: maximum}\nparameters: {a: {value: 1}}",
            "metric.goal: is 'maximum'",
        ),
        ("method: grid\nmetric: {goal: minimize}\nparameters: {a: {value: 1}}", "metric.name: is None"),
        (
            "method: grid\nmetric: {name: m}\nearly_terminate: {type: envelope}\nparameters: {a: {value: 1}}",
            "early_terminate.type: is 'envelope'; allowed: hyperband",
        ),
        (
            "method: grid\nearly_terminate: {type: hyperband, min_iter: 1}\nparameters: {a: {value: 1}}",
            "metric: is missing; early_terminate compares",
        ),
        ("method: bayes\nmetric: {name: m}\nparameters: {a: {value: 1}}", "parameters: nothing varies"),
        ("method: random\nparameters: {a: {min: 2, max: 1}}", "parameters.a.min: is 2; it must be below"),
        (
            "method: grid\nparameters: {a: {min: 1, max: 2000}, b: {min: 1, max: 2000}}",
            "stand for 4,000,000 points",
        ),
        (
            "method: grid\nparameters: {n: {parameters: {a: {min: 1, max: 2000}, b: {min: 1, max: 2000}}}}",
            "parameters.n: stands for 4,000,000 values",
        ),
        ("method: random\nrun_cap: 2000000\nparameters: {a: {min: 1, max: 2}}", "stand for 2,000,000 points"),
    ],
)
def test_a_file_is_checked_whole(tmp_path: Path, text: str, message: str):
    file = tmp_path / "sweep.yaml"
    file.write_text(text)
    with pytest.raises(DefinitionError) as caught:
        read_file(file)
    assert message in str(caught.value)


def test_the_definition_that_a_tracker_holds_is_read_as_far_as_it_can_be():
    text = "method: grid\nmetric: {name: m, impute: best}\nparameters: {a: {values: [1]}}"
    assert read(text).points() == [{"a": 1}]
