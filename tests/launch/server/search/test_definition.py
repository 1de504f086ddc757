"""Definitions read whole: every problem of a file at once, and what the keys stand for."""

import pytest

from framework.definition import read
from framework.errors import DefinitionError
from launch.server.search.definition import read_search
from launch.server.search.hyperband import Hyperband
from launch.server.search.metric import Metric

BAYES = """
method: bayes
metric: {name: val.loss, goal: maximize, target: 0.9}
early_terminate: {type: hyperband, min_iter: 2, eta: 2, strict: false}
run_cap: 20
parameters: {x: {min: 0.0, max: 1.0}}
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        read_search(text)
    return [str(problem) for problem in caught.value.problems]


def test_what_a_definition_says():
    search = read_search(BAYES)
    assert search.metric == Metric("val.loss", True, 0.9)
    assert search.hyperband == Hyperband(min_iter=2, eta=2, strict=False)
    assert search.definition.size() == search.definition.run_cap == 20
    assert search.space is not None
    grid = read_search("method: grid\nparameters: {x: {values: [1, 2]}}")
    assert (grid.space, grid.metric, grid.hyperband) == (None, None, None)
    assert read_search("method: random\nparameters: {x: {min: 0, max: 9}}").definition.size() is None


def test_the_defaults_are_those_of_the_schema():
    search = read_search(
        "method: random\nmetric: {name: l}\nearly_terminate: {type: hyperband, max_iter: 27, s: 2}\n"
        "parameters: {x: {min: 0, max: 1}}"
    )
    assert search.metric == Metric("l", False, None)
    assert search.hyperband is not None
    assert (search.hyperband.eta, search.hyperband.strict, search.hyperband.bands) == (3, True, (3, 9))


def test_all_problems_are_told_together():
    found = problems_of("""
method: bayes
speed: 3
run_cap: -1
metric: {goal: minimise, target: high, weight: 2}
early_terminate: {type: median, eta: 1, strict: 7, min_iter: 0}
parameters:
  a: {min: 2, max: 1}
  b: {distribution: log_uniform_values, min: 0, max: 1}
  c: {values: [1, 2], probabilities: [0.5, 0.6]}
""")
    keys = [
        "speed", "run_cap", "parameters.a.min", "parameters.b.min", "parameters.c.probabilities", "metric.weight",
        "metric.name", "metric.goal", "metric.target", "early_terminate.type", "early_terminate.min_iter",
        "early_terminate.eta", "early_terminate.strict",
    ]  # fmt: skip
    assert [problem.split(":")[0] for problem in found] == keys


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("method: bayes", "metric: is missing; bayes needs `metric:"),
        ("method: random\nearly_terminate: {type: hyperband, min_iter: 1}", "metric: is missing; early_terminate"),
        ("method: random\nmetric: loss", "metric: is 'loss'; write `metric:"),
        ("method: bayes\nmetric: {name: l, impute: best}", "metric.impute: is 'best'; this server"),
        ("method: bayes\nmetric: {name: l, impute_while_running: latest}", "metric.impute_while_running"),
        ("method: random\nmetric: {name: l}\nearly_terminate: fast", "early_terminate: is 'fast'; write"),
        (
            "method: random\nmetric: {name: l}\nearly_terminate: {type: hyperband}",
            "early_terminate: needs `min_iter`",
        ),
        (
            "method: random\nmetric: {name: l}\nearly_terminate: {type: hyperband, max_iter: 9}",
            "early_terminate.s: is missing",
        ),
        (
            "method: random\nmetric: {name: l}\nearly_terminate: {type: hyperband, max_iter: 2, s: 1}",
            "early_terminate.max_iter: is 2; below eta (3) there is no band",
        ),
        (
            "method: grid\nmetric: {name: l}\nearly_terminate: {type: hyperband, min_iter: 1, steps: 3}",
            "early_terminate.steps: unknown key",
        ),
    ],
)
def test_one_problem(keys: str, message: str):
    [problem] = problems_of(f"{keys}\nparameters: {{x: {{values: [1, 2]}}}}")
    assert message in problem


def test_bayes_needs_something_that_varies():
    [problem] = problems_of("method: bayes\nmetric: {name: l}\nparameters: {x: {value: 1}}")
    assert "nothing varies" in problem


def test_ranges_of_a_grid_are_listed_as_w_and_b_does():
    """Expected: `grid_search_next_runs` of the engine 0.3.0, called until it had no more."""
    text = (
        "method: grid\nparameters: {i: {min: 2, max: 4}, q: {distribution: q_uniform, min: 0.0, max: 1, q: 0.25}}"
    )
    points = read(text).points()
    assert [point["i"] for point in points[::4]] == [2, 3, 4]
    assert [point["q"] for point in points[:4]] == [0.0, 0.25, 0.5, 0.75]
    assert len(points) == 12
    tenths = read("method: grid\nparameters: {q: {distribution: q_uniform, min: 0, max: 1, q: 0.1}}").points()
    assert tenths[3] == {"q": 0.30000000000000004}
    assert len(tenths) == 10
    whole = read("method: grid\nparameters: {q: {distribution: q_uniform, min: 1, max: 8, q: 3}}").points()
    assert whole == [{"q": 1}, {"q": 4}, {"q": 7}]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{min: 5, max: 5}", "`min` must be below `max`"),
        ("{distribution: q_uniform, min: 0, max: 1, q: 0}", "`q` above 0"),
        ("{distribution: int_uniform, min: 0, max: 2.0}", "parameters.x.max: is 2.0"),
        ("{distribution: int_uniform, min: 0}", "parameters.x.max: is None"),
        ("{min: 0, max: 3, q: 1}", "parameters.x.q: unknown key"),
        ("{min: 0, max: 9000000000000}", "stands for 9,000,000,000,001 values"),
        (
            "{distribution: uniform, min: 0, max: 3}",
            "a grid allows: categorical, constant, int_uniform, q_uniform",
        ),
        ("{values: [1], probabilities: [1], distribution: categorical_w_probabilities}", "a grid allows"),
    ],
)
def test_ranges_that_no_grid_lists(spec: str, message: str):
    [problem] = problems_of(f"method: grid\nparameters: {{x: {spec}}}")
    assert message in problem


def test_run_cap_cuts_a_grid_short():
    definition = read("method: grid\nrun_cap: 2\nparameters: {a: {values: [1, 2]}, b: {values: [1, 2]}}")
    assert definition.points() == [{"a": 1, "b": 1}, {"a": 1, "b": 2}]
    assert definition.size() == 2


def test_examples_name_every_parameter_and_value():
    axes = "a: {values: [1, 2, 3]}, b: {min: 0, max: 1}, c: {parameters: {d: {value: 4}}}"
    assert read(f"method: random\nparameters: {{{axes}}}").examples() == [
        {"a": a, "b": None, "c": {"d": 4}} for a in (1, 2, 3)
    ]
