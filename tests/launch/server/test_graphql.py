"""The executor: what the client's queries use, and what must be refused."""

import logging
import uuid
from typing import Any

import pytest

from launch.server import graphql
from launch.server.errors import ApiError

DOG = {
    "__typename": "Dog",
    "name": "Rex",
    "tags": ["a", "b"],
    "echo": lambda args: args,
    "friend": lambda args: {"__typename": "Cat", "name": "Tom", "value": float("nan")},
}


def run(query: str, name: str | None = None, **variables: Any) -> Any:
    roots = {"query": {"dog": lambda context, args: DOG, "dogs": lambda context, args: [DOG, DOG]}}
    return graphql.execute(query, variables, name, roots, None)


def test_aliases_and_typename() -> None:
    assert run("{ a: dog { n: name __typename } b: dog { name } }") == {
        "a": {"n": "Rex", "__typename": "Dog"},
        "b": {"name": "Rex"},
    }


def test_lists_of_objects_and_of_values() -> None:
    assert run("{ dogs { tags } }") == {"dogs": [{"tags": ["a", "b"]}] * 2}


@pytest.mark.parametrize(("given", "shown"), [(True, True), (False, False)])
def test_include_and_skip(given: bool, shown: bool) -> None:
    data = run("query Q($on: Boolean!) { dog { name @include(if: $on) tags @skip(if: $on) } }", on=given)
    assert ("name" in data["dog"], "tags" in data["dog"]) == (shown, not shown)


def test_fragments_apply_by_type() -> None:
    query = """{ dog { ...F ... on Cat { tags } } }
        fragment F on Dog { name friend { ... on Cat { name } ... on Dog { tags } } }"""
    assert run(query) == {"dog": {"name": "Rex", "friend": {"name": "Tom"}}}


def test_the_same_field_twice_is_merged() -> None:
    assert run("{ dog { friend { name } friend { __typename } } }") == {
        "dog": {"friend": {"name": "Tom", "__typename": "Cat"}}
    }


def test_a_single_value_becomes_a_list_where_a_list_is_declared() -> None:
    data = run("query Q($specs: [JSONString!]!) { dog { echo(specs: $specs) } }", specs="{}")
    assert data["dog"]["echo"] == {"specs": ["{}"]}


def test_variables_defaults_literals_and_absence() -> None:
    query = (
        'query Q($a: Int = 3, $b: Int) { dog { echo(x: [$a, 1.5], y: {k: $a, gone: $b}, z: $b, e: RED, s: "t") } }'
    )
    assert run(query)["dog"]["echo"] == {"x": [3, 1.5], "y": {"k": 3}, "e": "RED", "s": "t"}


def test_an_explicit_null_is_not_absence() -> None:
    assert run("query Q($b: Int) { dog { echo(z: $b) } }", b=None)["dog"]["echo"] == {"z": None}


def test_nan_is_a_string_in_a_reply() -> None:
    assert run("{ dog { friend { value } } }")["dog"]["friend"]["value"] == "NaN"


def test_an_unknown_field_is_null_and_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    operation = f"Walk{uuid.uuid4().hex}"  # what was told in another test is not told again
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            told = run(f"query {operation} {{ dog {{ colour name }} }}")
            assert told == {"dog": {"colour": None, "name": "Rex"}}
    assert [record.getMessage() for record in caplog.records] == [
        f"operation {operation} asks for the unknown field 'colour' of Dog: it gets null"
    ]


def test_the_operation_is_chosen_by_name() -> None:
    assert run("query A { dog { name } } query B { dog { tags } }", "B") == {"dog": {"tags": ["a", "b"]}}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ cow { name } }", "does not know the query 'cow'"),
        ("mutation { milk { name } }", "does not know the mutation 'milk'"),
        ("{ dog { name ", "syntax"),
        ("{ dog { ...Gone } }", "fragment 'Gone'"),
        ("query A { dog { name } } query B { dog { name } }", "no operation None"),
        ("{ dog { " + "friend { " * 40 + "name" + " }" * 40 + " } }", "nested deeper"),
        ("{ dog { " + "name " * 10_000 + "} }", "syntax"),
        ("{ dog { " + " " * 70_000 + "} }", "longer than"),
        ("{" * 5_000, "syntax"),
    ],
)
def test_refusals(query: str, message: str) -> None:
    endless = {"name": "x"}
    endless["friend"] = endless  # type: ignore[assignment]
    with pytest.raises(ApiError, match=message):
        graphql.execute(query, {}, None, {"query": {"dog": lambda context, args: endless}}, None)


def test_a_fragment_that_contains_itself_ends() -> None:
    node: dict[str, Any] = {"name": "x"}
    node["friend"] = node
    query = "{ dog { ...F } } fragment F on Dog { ...F name }"
    roots = {"query": {"dog": lambda context, args: node}}
    assert graphql.execute(query, {}, None, roots, None) == {"dog": {"name": "x"}}
    with pytest.raises(ApiError, match="nested deeper"):
        graphql.execute("{ dog { ...F } } fragment F on Dog { friend { ...F } }", {}, None, roots, None)


def test_parsing_is_cached() -> None:
    assert graphql.parse("{ dog { name } }") is graphql.parse("{ dog { name } }")
