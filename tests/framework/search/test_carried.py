"""What a tracker can carry: the rules for names are those of the server, and values stay what they are."""

import json
from typing import Any

import pytest

from framework.definition import checked
from framework.errors import DefinitionError
from framework.search.carried import LONGEST_NAME, name_problem, value_problems
from launch.server.errors import ApiError
from launch.server.wire import checked_name

NAMES = [
    *("sashiko", "my-project", "my project", "Ünïcödé", "a.b", "7", "null", "a" * LONGEST_NAME),
    *("", " ", ".", "..", "a/b", "a\\b", "a#b", "a?b", "a%b", "a:b", "a\tb", "a\nb", "a\x00b", "a" * 513),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_refused_where_the_server_refuses_it(name: str):
    try:
        checked_name(name, "project")
        taken = True
    except ApiError:
        taken = False
    assert (name_problem(name) is None) == taken


def problems(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        checked(text)
    return [str(problem) for problem in caught.value.problems]


def test_the_home_of_a_sweep_is_checked_with_the_rest():
    found = problems("method: gird\nproject: a/b\nentity: 'x:y'\nparameters: {a: {value: 1}}")
    assert found == [
        "method: is 'gird'; allowed: 'grid', 'random', 'bayes'",
        "entity: is 'x:y'; a name cannot hold ':'",
        "project: is 'a/b'; a name cannot hold '/'",
    ]
    assert checked("method: grid\nproject: 7\nentity: null\nparameters: {a: {value: 1}}").data["project"] == 7


@pytest.mark.parametrize("method", ["grid", "random"])
@pytest.mark.parametrize(
    ("spec", "where", "shown"),
    [
        ("{values: [1, 2024-01-01]}", "a.values", "'2024-01-01' (date)"),
        ("{value: 2024-01-01 10:00:00}", "a.value", "'2024-01-01 10:00:00' (datetime)"),
        ("{value: !!binary aGVsbG8=}", "a.value", "\"b'hello'\" (bytes)"),
        ("{value: !!set {x}}", "a.value", "\"{'x'}\" (set)"),
        ("{values: [{inner: [1, {deep: 2024-01-01}]}]}", "a.values", "'2024-01-01' (date)"),
        ("{parameters: {b: {values: [2024-01-01]}}}", "a.b.values", "'2024-01-01' (date)"),
    ],
)
def test_a_value_without_a_form_in_json_is_refused(method: str, spec: str, where: str, shown: str):
    text = f"method: {method}\nparameters: {{a: {spec}}}"
    assert problems(text) == [f"parameters.{where}: holds {shown}, which JSON has no form for; quote it"]


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "2024-01-01", [1, "a", None], {"a": {"b": [False]}}])
def test_what_json_has_a_form_for_is_carried(value: Any):
    assert not list(value_problems({"a": {"value": value}, "b": {"values": [value]}, "c": 7}))
    assert json.loads(json.dumps(value)) == value
