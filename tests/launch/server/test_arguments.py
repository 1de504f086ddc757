"""The kinds of arguments: what a resolver reads its field declares, and what is of another kind is refused."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launch.server import arguments
from launch.server.arguments import Shape, Value
from launch.server.errors import ApiError
from launch.server.resolvers import SCHEMA

RESOLVERS = Path(arguments.__file__).parent / "resolvers"
GIVEN = ("args", "given", "spec", "item", "tag")
"""What resolvers call the arguments of a field, the `input` of a mutation, and the objects in one."""


def names_read() -> dict[str, str]:
    """Each argument that a resolver reads by its name, and the file that does."""
    found = {}
    for path in [*RESOLVERS.glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            name: Any = None
            if isinstance(node, ast.Subscript) and _is_given(node.value):
                name = node.slice
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
                name = node.args[0] if _is_given(node.func.value) else None
            if isinstance(name, ast.Constant) and isinstance(name.value, str) and "_" not in name.value:
                found[name.value] = path.name
    return found


def _is_given(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in GIVEN


def names_declared(takes: Any) -> Iterator[str]:
    """Every name that a field takes, those inside its objects too."""
    for name, kind in takes.items():
        yield name
        if isinstance(kind, Shape):
            yield from names_declared(kind.fields)


def test_every_argument_that_is_read_is_declared_by_a_field() -> None:
    """One that its own field does not declare never reaches it (`test_graphql`)."""
    read = names_read()
    assert {"filters", "first", "input", "runState", "specs"} <= read.keys()
    declared = {
        name for kind in SCHEMA.values() for told in kind.fields.values() for name in names_declared(told.takes)
    }
    declared |= {"minStep", "maxStep", "keys", "samples"}  # of a history spec, which is JSON inside an argument
    own = {"alias", "id", "state", "entries"}
    assert {name: file for name, file in read.items() if name not in declared | own} == {}


def test_every_field_says_what_kind_its_arguments_are() -> None:
    for kind in SCHEMA.values():
        for name, told in kind.fields.items():
            assert all(isinstance(item, Value | Shape) for item in told.takes.values()), (kind.name, name)


def check(field: str, given: Any) -> Any:
    """Take arguments as the field of this name does, wherever it is."""
    [found] = {
        id(kind.fields[field]): kind.fields[field] for kind in SCHEMA.values() if field in kind.fields
    }.values()
    return arguments.checked(field, found.takes, given)


@pytest.mark.parametrize(
    ("field", "given", "message"),
    [
        ("sweeps", {"first": "5"}, "first must be a whole number of at most 64 bits, not '5'"),
        ("sweeps", {"first": 2**63}, "first must be a whole number"),
        ("sweeps", {"first": True}, "first must be a whole number"),
        ("sweep", {"sweepName": "a\x00b"}, "sweepName must be a text"),
        ("upsertSweep", {"input": {"priorRunsFilters": [1]}}, "priorRunsFilters must be a JSON object, not [1]"),
        ("createArtifact", {"input": {"storageRegion": {}}}, "storageRegion must be a text, not {}"),
        ("upsertBucket", {"input": {"tags": [{"tagName": "a"}]}}, "tags must be a list of texts"),
        ("createArtifact", {"input": {"tags": ["a"]}}, "tags must be a list of objects"),
        ("createArtifactFiles", {"input": {"artifactFiles": [{"md5": 5}]}}, "artifactFiles[0].md5 must be a text"),
    ],
)
def test_other_kinds_are_refused_by_name(field: str, given: Any, message: str) -> None:
    with pytest.raises(ApiError) as error:
        check(field, given)
    assert str(error.value.message).startswith(f"{field}: ")
    assert message in error.value.message


def test_all_problems_come_together_and_null_is_nothing() -> None:
    with pytest.raises(ApiError) as error:
        check("sweeps", {"first": "a", "after": 3.5})
    assert error.value.message == (
        "sweeps: first must be a whole number of at most 64 bits, not 'a';"
        " after must be a cursor of this server, not 3.5"
    )


def test_a_null_is_nothing_and_what_is_not_taken_is_left_out() -> None:
    assert check("sweeps", {"first": None, "more": 5}) == {"first": None}
    given = {"input": {"artifactFiles": [{"md5": "a", "evil": 1}, {"name": None}], "evil": 2}}
    assert check("createArtifactFiles", given) == {"input": {"artifactFiles": [{"md5": "a"}, {"name": None}]}}
