"""The kinds of arguments: every name that a resolver reads has one, and what is of another kind is refused."""

import ast
from pathlib import Path
from typing import Any

import pytest

from launch.server import arguments
from launch.server.errors import ApiError

RESOLVERS = Path(arguments.__file__).parent / "resolvers"
GIVEN = ("args", "given", "spec")
"""What resolvers call the arguments of a field, its `input`, and the JSON in one."""


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
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                found[name.value] = path.name
    return found


def _is_given(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in GIVEN


def test_every_argument_that_is_read_has_a_kind() -> None:
    read = names_read()
    assert {"filters", "first", "input", "runState", "specs"} <= read.keys()
    by_operation = {name for _, name in arguments.BY_OPERATION}
    checked = arguments.KINDS.keys() | by_operation | set(arguments.UNLISTED)
    assert {name: file for name, file in read.items() if name not in checked} == {}


def test_nothing_is_listed_as_unchecked_that_is_not_read() -> None:
    assert set(arguments.UNLISTED) <= names_read().keys()


@pytest.mark.parametrize(
    ("field", "given", "message"),
    [
        ("runs", {"first": "5"}, "first must be a whole number of at most 64 bits, not '5'"),
        ("runs", {"first": 2**63}, "first must be a whole number"),
        ("runs", {"first": True}, "first must be a whole number"),
        ("run", {"name": "a\x00b"}, "name must be a text"),
        ("upsertSweep", {"input": {"priorRunsFilters": [1]}}, "priorRunsFilters must be a JSON object, not [1]"),
        ("createArtifact", {"input": {"storageRegion": {}}}, "storageRegion must be a text, not {}"),
        ("upsertBucket", {"input": {"tags": [{"tagName": "a"}]}}, "tags must be a list of texts"),
        ("createArtifact", {"input": {"tags": ["a"]}}, "tags must be a list of objects"),
        ("createArtifactFiles", {"input": {"artifactFiles": [{"md5": 5}]}}, "artifactFiles[0].md5 must be a text"),
    ],
)
def test_other_kinds_are_refused_by_name(field: str, given: Any, message: str) -> None:
    with pytest.raises(ApiError) as error:
        arguments.check(field, given)
    assert str(error.value.message).startswith(f"{field}: ")
    assert message in error.value.message


def test_all_problems_come_together_and_null_is_nothing() -> None:
    with pytest.raises(ApiError) as error:
        arguments.check("runs", {"first": "a", "order": 3, "after": None})
    assert error.value.message == (
        "runs: first must be a whole number of at most 64 bits, not 'a'; order must be a text, not 3"
    )
