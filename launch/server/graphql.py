"""A small GraphQL executor over plain Python objects; graphql-core parses, nothing here validates a schema.

A node is a mapping from field names to values, or to functions of the field's arguments. A field that a node
lacks gives null and, once in the life of the process, a log line, so that a newer client degrades instead of
losing its whole query. A root field that does not exist is an error, since nothing useful can follow. This module
does not know which types or fields there are: `resolvers` does.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import graphql as core
from graphql.language import ast

from launch.server.errors import ApiError
from launch.server.limits import MAX_QUERY_DEPTH, MAX_QUERY_LENGTH, MAX_QUERY_TOKENS
from launch.server.wire import plain

logger = logging.getLogger(__name__)

Node = Mapping[str, Any]
Arguments = Mapping[str, Any]
Resolver = Callable[[Any, Arguments], Any]
"""A root field: a function of the context that the caller gives to `execute`, and of the field's arguments."""
_ABSENT = object()

INTERFACES = {
    "ArtifactSequence": frozenset({"ArtifactCollection"}),
    "ArtifactPortfolio": frozenset({"ArtifactCollection"}),
}


@dataclass(frozen=True)
class Document:
    """One parsed request text."""

    operations: Mapping[str | None, ast.OperationDefinitionNode]
    fragments: Mapping[str, ast.FragmentDefinitionNode]

    def operation(self, name: str | None) -> ast.OperationDefinitionNode:
        """The operation to run; the only one, where no name is given.

        Raises:
            ApiError: there is no such operation, or no name and several of them.
        """
        if name and name in self.operations:
            return self.operations[name]
        if not name and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        raise ApiError(f"the request holds no operation {name!r}")


@lru_cache(maxsize=512)
def parse(query: str) -> Document:
    """Parse a request text; repeated texts cost nothing.

    Raises:
        ApiError: a syntax error, or a text beyond the bounds in `limits`.
    """
    if len(query) > MAX_QUERY_LENGTH:
        raise ApiError(f"the query is longer than {MAX_QUERY_LENGTH} characters")
    try:
        tree = core.parse(query, no_location=True, max_tokens=MAX_QUERY_TOKENS)
    except core.GraphQLError as error:
        raise ApiError(f"GraphQL syntax: {error.message}") from error
    except RecursionError as error:
        raise ApiError("the query is nested too deeply") from error
    operations = {}
    fragments = {}
    for definition in tree.definitions:
        if isinstance(definition, ast.OperationDefinitionNode):
            operations[definition.name.value if definition.name else None] = definition
        elif isinstance(definition, ast.FragmentDefinitionNode):
            fragments[definition.name.value] = definition
    return Document(operations, fragments)


def execute(
    query: str,
    variables: Mapping[str, Any],
    operation_name: str | None,
    roots: Mapping[str, Mapping[str, Resolver]],
    context: object,
    check: Callable[[str, Arguments], None] | None = None,
) -> dict[str, Any]:
    """Run one operation and return its `data`, ready for strict JSON.

    `roots` maps "query" and "mutation" to their root fields; each gets `context`. `check` refuses bad arguments of
    a field by raising.

    Raises:
        ApiError: the text cannot be parsed, a root field is unknown, or a resolver refused.
    """
    document = parse(query)
    operation = document.operation(operation_name)
    kind = operation.operation.value
    run = _Run(document, operation, variables, check)
    table = roots.get(kind, {})
    result: dict[str, Any] = {}
    for field in run.fields({}, operation.selection_set):
        name = field.name.value
        key = field.alias.value if field.alias else name
        if name == "__typename":
            result[key] = kind.capitalize()
            continue
        if name not in table:
            raise ApiError(f"this server does not know the {kind} {name!r} (operation {run.name})")
        result[key] = run.complete(field, table[name](context, run.arguments(field)), 1)
    return result


class _Run:
    """The execution of one operation."""

    def __init__(
        self,
        document: Document,
        operation: ast.OperationDefinitionNode,
        variables: Mapping[str, Any],
        check: Callable[[str, Arguments], None] | None,
    ) -> None:
        self.document = document
        self._check = check
        self.name = operation.name.value if operation.name else "?"
        self.variables = _coerce_variables(operation, variables)
        self.chosen: dict[tuple[int, object], list[tuple[str, str, ast.FieldNode]]] = {}

    def fields(self, node: Node, selection: ast.SelectionSetNode | None) -> Iterator[ast.FieldNode]:
        """The fields that are selected on `node`, fragments opened, `@include` and `@skip` obeyed."""
        seen: set[str] = set()
        stack = list(reversed(selection.selections)) if selection else []
        while stack:
            item = stack.pop()
            if item.directives and not self._included(item):
                continue
            if isinstance(item, ast.FieldNode):
                yield item
            elif isinstance(item, ast.InlineFragmentNode):
                if _applies(item.type_condition, node):
                    stack.extend(reversed(item.selection_set.selections))
            elif isinstance(item, ast.FragmentSpreadNode) and item.name.value not in seen:
                seen.add(item.name.value)
                fragment = self.document.fragments.get(item.name.value)
                if fragment is None:
                    raise ApiError(f"the query uses a fragment {item.name.value!r} that it does not define")
                if _applies(fragment.type_condition, node):
                    stack.extend(reversed(fragment.selection_set.selections))

    def _chosen(self, node: Node, selection: ast.SelectionSetNode) -> list[tuple[str, str, ast.FieldNode]]:
        """The selected fields with the keys of their answers; found once for all nodes of a list."""
        place = (id(selection), node.get("__typename"))
        chosen = self.chosen.get(place)
        if chosen is None:
            chosen = self.chosen[place] = [
                (field.alias.value if field.alias else field.name.value, field.name.value, field)
                for field in self.fields(node, selection)
            ]
        return chosen

    def complete(self, field: ast.FieldNode, value: Any, depth: int) -> Any:
        """`value` as the reply shows it: objects cut to the selected fields, the rest as it is."""
        if depth > MAX_QUERY_DEPTH:
            raise ApiError(f"the query is nested deeper than {MAX_QUERY_DEPTH}")
        if value is None:
            return None
        selection = field.selection_set
        if selection is None:
            return plain(value)
        if isinstance(value, list | tuple):
            return [self.complete(field, item, depth) for item in value]
        if not isinstance(value, Mapping):
            raise ApiError(f"the field {field.name.value!r} has no fields of its own (operation {self.name})")
        return self._object(value, selection, depth)

    def _object(self, node: Node, selection: ast.SelectionSetNode, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, name, field in self._chosen(node, selection):
            value = node.get(name, _ABSENT)
            if value is _ABSENT:
                _tell_unknown(self.name, str(node.get("__typename", "?")), name)
                value = None
            elif callable(value):
                value = value(self.arguments(field))
            completed = self.complete(field, value, depth + 1)
            if isinstance(completed, dict) and isinstance(result.get(key), dict):
                result[key] = _merged(result[key], completed)
            else:
                result[key] = completed
        return result

    def arguments(self, field: ast.FieldNode) -> dict[str, Any]:
        """The arguments of a field with variables filled in; absent variables leave the argument out."""
        values = ((item.name.value, self._value(item.value)) for item in field.arguments or ())
        found = {name: value for name, value in values if value is not _ABSENT}
        if found and self._check is not None:
            self._check(field.name.value, found)
        return found

    def _value(self, node: ast.ValueNode) -> Any:
        if isinstance(node, ast.VariableNode):
            return self.variables.get(node.name.value, _ABSENT)
        if isinstance(node, ast.ListValueNode):
            return [value for item in node.values if (value := self._value(item)) is not _ABSENT]
        if isinstance(node, ast.ObjectValueNode):
            values = ((item.name.value, self._value(item.value)) for item in node.fields)
            return {name: value for name, value in values if value is not _ABSENT}
        return _literal(node)

    def _included(self, item: ast.SelectionNode) -> bool:
        for directive in item.directives or ():
            if directive.name.value in ("include", "skip"):
                condition = {part.name.value: self._value(part.value) for part in directive.arguments or ()}
                if bool(condition.get("if")) is not (directive.name.value == "include"):
                    return False
        return True


@lru_cache(maxsize=4096)
def _tell_unknown(operation: str, kind: str, name: str) -> None:
    """Log a field that this server lacks: once a process, not once a request. The cache is the memory of it."""
    logger.warning("operation %s asks for the unknown field %r of %s: it gets null", operation, name, kind)


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """The same field, selected twice with different sub-fields, is one object with both."""
    merged = dict(first)
    for key, value in second.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _applies(condition: ast.NamedTypeNode | None, node: Node) -> bool:
    typename = node.get("__typename")
    if condition is None or typename is None:
        return True
    name = condition.name.value
    return bool(name == typename or name in INTERFACES.get(typename, ()))


def _coerce_variables(operation: ast.OperationDefinitionNode, given: Mapping[str, Any]) -> dict[str, Any]:
    values = {}
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        if name in given:
            values[name] = _coerce(definition.type, given[name])
        elif definition.default_value is not None:
            values[name] = _coerce(definition.type, _literal(definition.default_value))
    return values


def _coerce(kind: ast.TypeNode, value: Any) -> Any:
    """List coercion: the client sends `"{}"` where `[JSONString!]!` is declared."""
    if isinstance(kind, ast.NonNullTypeNode):
        return _coerce(kind.type, value)
    if isinstance(kind, ast.ListTypeNode) and value is not None:
        items = value if isinstance(value, list) else [value]
        return [_coerce(kind.type, item) for item in items]
    return value


def _literal(node: ast.ValueNode) -> Any:
    if isinstance(node, ast.IntValueNode):
        return int(node.value)
    if isinstance(node, ast.FloatValueNode):
        return float(node.value)
    if isinstance(node, ast.BooleanValueNode | ast.StringValueNode | ast.EnumValueNode):
        return node.value
    if isinstance(node, ast.ListValueNode):
        return [_literal(item) for item in node.values]
    if isinstance(node, ast.ObjectValueNode):
        return {item.name.value: _literal(item.value) for item in node.fields}
    return None
