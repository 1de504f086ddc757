"""The executor: what the client's queries use, and what must be refused."""

import logging
import uuid
from typing import Any

import pytest

from launch.server import arguments, graphql, limits
from launch.server.errors import ApiError
from launch.server.graphql import Arguments, Field, Node, Type, parse

ROWS = {"dog": {"name": "Rex", "tags": ["a", "b"]}, "cat": {"name": "Tom", "value": float("nan")}}


def field(resolve: Any, **takes: arguments.Kind) -> Field:
    return Field(resolve, takes)


def name_of(context: Any, row: Any, args: Arguments) -> Any:
    return row["name"]


ANY = arguments.Value(lambda value: True, "anything")
DOG = Node("Dog", ROWS["dog"])
CAT = Node("Cat", ROWS["cat"])
SCHEMA: dict[str, Type] = {
    "Query": Type(
        "Query",
        lambda context, row: True,
        {
            "dog": field(lambda context, row, args: DOG),
            "dogs": field(lambda context, row, args: [DOG, DOG]),
            "pets": field(lambda context, row, args: [DOG, CAT, DOG]),
            "payload": field(lambda context, row, args: {"dog": DOG}),
        },
    ),
    "Mutation": Type(
        "Mutation",
        lambda context, row: True,
        {"feed": field(lambda context, row, args: {"pets": [DOG, CAT], "cat": CAT, "deep": {"dog": DOG}, "n": 1})},
    ),
    "Dog": Type(
        "Dog",
        lambda context, row: True,
        {
            "name": field(name_of),
            "tags": field(lambda context, row, args: row["tags"]),
            "echo": field(lambda context, row, args: args, x=ANY, y=ANY, z=ANY, e=ANY, s=ANY, specs=ANY),
            "friend": field(lambda context, row, args: CAT),
            "self": field(lambda context, row, args: DOG),
        },
        frozenset({"Animal"}),
    ),
    "Cat": Type(
        "Cat",
        lambda context, row: context != "no cats",
        {"name": field(name_of), "value": field(lambda context, row, args: row["value"])},
        frozenset({"Animal"}),
    ),
}


def run(query: str, operation: str | None = None, context: Any = None, **variables: Any) -> Any:
    return graphql.execute(query, variables, operation, SCHEMA, context)


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
        ("{ dog { " + "self { " * 40 + "name" + " }" * 40 + " } }", "nested deeper"),
        ("{ dog { " + "name " * 10_000 + "} }", "syntax"),
        ("{ dog { " + " " * 70_000 + "} }", "longer than"),
        ("{" * 5_000, "syntax"),
    ],
)
def test_refusals(query: str, message: str) -> None:
    with pytest.raises(ApiError, match=message):
        run(query)


def test_a_fragment_that_contains_itself_ends() -> None:
    assert run("{ dog { ...F } } fragment F on Dog { ...F name }") == {"dog": {"name": "Rex"}}
    with pytest.raises(ApiError, match="nested deeper"):
        run("{ dog { ...F } } fragment F on Dog { self { ...F } }")


def test_an_interface_applies_to_its_types() -> None:
    query = "{ pets { __typename ... on Animal { name } ... on Cat { value } } }"
    dog, cat, _ = run(query)["pets"]
    assert dog == {"__typename": "Dog", "name": "Rex"}
    assert cat == {"__typename": "Cat", "name": "Tom", "value": "NaN"}


def test_a_node_that_may_not_be_seen_is_null_and_a_list_leaves_it_out() -> None:
    assert run("{ dog { friend { name } } }", context="no cats") == {"dog": {"friend": None}}
    assert run("{ pets { name } }", context="no cats") == {"pets": [{"name": "Rex"}, {"name": "Rex"}]}
    told = run("mutation { feed { pets { name } cat { name } deep { dog { name } } n gone } }", context="no cats")
    assert told["feed"] == {
        "pets": [{"name": "Rex"}],
        "cat": None,
        "deep": {"dog": {"name": "Rex"}},
        "n": 1,
        "gone": None,
    }


@pytest.mark.parametrize("query", ["{ dog }", "{ dogs }", "mutation { feed }", "mutation { feed { cat } }"])
def test_an_object_is_never_told_without_its_fields(query: str) -> None:
    with pytest.raises(ApiError, match="is an object: choose fields of it"):
        run(query)


@pytest.mark.parametrize("query", ["{ payload { dog { name } } }", "{ dog { name { more } } }"])
def test_what_a_query_tells_comes_from_the_table(query: str) -> None:
    with pytest.raises(ApiError, match="has no fields of its own"):
        run(query)


def test_arguments_that_a_field_does_not_take_never_reach_it() -> None:
    assert run('{ dog { echo(x: 1, secret: 2, s: "t") } }')["dog"]["echo"] == {"x": 1, "s": "t"}


def test_more_objects_than_an_answer_may_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphql, "MAX_QUERY_NODES", 100)
    aliases = " ".join(f"a{number}: pets {{ name }}" for number in range(33))
    assert len(run(f"{{ {aliases} }}")) == 33
    with pytest.raises(ApiError, match="more than 100 objects"):
        run(f"{{ {aliases} last: dog {{ name }} }}")


def test_an_operation_ends_after_some_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphql, "QUERY_SECONDS", -1.0)
    with pytest.raises(ApiError, match="ask for less at once"):
        run("{ dog { name } }")


def test_parsing_is_cached() -> None:
    assert graphql.parse("{ dog { name } }") is graphql.parse("{ dog { name } }")


def test_an_answer_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphql, "MAX_ANSWER", 100)
    aliases = " ".join(f"a{number}: name" for number in range(34))
    assert len(run(f"{{ dog {{ {aliases.removesuffix('a33: name')} }} }}")["dog"]) == 33
    with pytest.raises(ApiError, match="more than 100 bytes"):
        run(f"{{ dog {{ {aliases} }} }}")


def test_a_number_of_too_many_digits_is_refused() -> None:
    with pytest.raises(ApiError, match="more than 400 digits"):
        run(f"{{ dog {{ echo(x: {'9' * 5000}) }} }}")


def test_an_operation_holds_no_more_mutations_than_may_wait_for_one_another(ask: Any) -> None:
    one = 'm{0}: upsertModel(input: {{name: "p{0}"}}) {{ inserted }}'
    ask("mutation { " + " ".join(one.format(n) for n in range(limits.MAX_MUTATIONS)) + " }")
    told = ask("mutation { " + " ".join(one.format(f"x{n}") for n in range(limits.MAX_MUTATIONS + 1)) + " }", 400)
    assert "at most 20 mutations, not 21" in told
    assert ask('{ project(name: "px0") { id } }')["project"] is None


def test_a_subscription_is_refused_in_words(ask: Any) -> None:
    assert "no subscription" in ask("subscription S { __typename }", 400)


def test_the_fields_of_an_operation_are_those_in_its_fragments_too() -> None:
    document = parse("""mutation M { ...F ... on Mutation { b: two { x } } }
        fragment F on Mutation { one ...F ...G } fragment G on Mutation { three }""")
    assert document.root_fields("M") == {"one", "two", "three"}
