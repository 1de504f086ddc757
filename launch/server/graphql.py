"""A small GraphQL executor over one table of types; graphql-core parses, nothing here validates a schema.

The table (`Schema`) tells of each type which fields it has, what resolves each, which arguments it takes, and
whether a caller may see a node of it. A resolver is a plain function of the request, the node's row and the
arguments; it gives values, or other nodes, by type and row. Whether the caller may see a node is asked here, once
at every edge that leads to it, so that no resolver can forget it: a node that may not be seen is null, and a list
leaves it out.

A field that a type lacks gives null and, once in the life of the process, a log line, so that a newer client
degrades instead of losing its whole query. A root field that does not exist is an error, since nothing useful can
follow.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import graphql as core
from graphql.language import ast

from launch.server.arguments import Kind, checked
from launch.server.errors import ApiError
from launch.server.limits import (
    LARGE_ANSWER,
    MAX_ANSWER,
    MAX_MUTATIONS,
    MAX_QUERY_DEPTH,
    MAX_QUERY_LENGTH,
    MAX_QUERY_NODES,
    MAX_QUERY_TOKENS,
    QUERY_SECONDS,
)
from launch.server.wire import Plain, plain

logger = logging.getLogger(__name__)

Arguments = Mapping[str, Any]
Resolver = Callable[[Any, Any, Arguments], Any]
"""A function of the context that the caller gives to `execute`, of a node's row, and of the field's arguments."""


class Node(NamedTuple):
    """An object of the graph: a type of the table, and what its fields are read from."""

    type: str
    row: Any


@dataclass(frozen=True)
class Field:
    """What gives a field its value, and the arguments that it takes; others never reach it.

    `alone`: a mutation that can take its time, in several transactions; no other may stand beside it.
    """

    resolve: Resolver
    takes: Mapping[str, Kind]
    alone: bool = False


@dataclass(frozen=True)
class Type:
    """A type of the table. `name` is what clients call it, "" if they have several names for it.

    `sees` tells whether a caller may see a node of it.
    """

    name: str
    sees: Callable[[Any, Any], bool]
    fields: Mapping[str, Field]
    interfaces: frozenset[str] = frozenset()


Schema = Mapping[str, Type]
"""All types by their names in the table, "Query" and "Mutation" among them."""
_ABSENT = object()
MAX_DIGITS = 400


@dataclass(frozen=True)
class Document:
    """One parsed request text."""

    operations: Mapping[str | None, ast.OperationDefinitionNode]
    fragments: Mapping[str, ast.FragmentDefinitionNode]

    def root_fields(self, name: str | None) -> set[str]:
        """The names of the fields that an operation chooses at its root, those in fragments too.

        Raises:
            ApiError: there is no such operation.
        """
        waiting = list(self.operation(name).selection_set.selections)
        found: set[str] = set()
        seen: set[str] = set()
        while waiting:
            item = waiting.pop()
            if isinstance(item, ast.FieldNode):
                found.add(item.name.value)
            elif isinstance(item, ast.InlineFragmentNode):
                waiting += item.selection_set.selections
            elif isinstance(item, ast.FragmentSpreadNode) and item.name.value not in seen:
                seen.add(item.name.value)
                fragment = self.fragments.get(item.name.value)
                waiting += fragment.selection_set.selections if fragment is not None else ()
        return found

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
    schema: Schema,
    context: object,
    large: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Run one operation and return its `data`, ready for strict JSON. Every resolver gets `context`.

    `large` is called when the answer turns out to be a large one, and may refuse that.

    Raises:
        ApiError: the text cannot be parsed, a root field is unknown, an argument is of another kind, a resolver
            refused, or the operation goes beyond the bounds in `limits`.
    """
    document = parse(query)
    operation = document.operation(operation_name)
    kind = operation.operation.value
    run = _Run(document, operation, variables, schema, context, large)
    root = Node(kind.capitalize(), None)
    if root.type not in schema:
        raise ApiError(f"this server takes queries and mutations, no {kind} (operation {run.name})")
    chosen = run.selected(root, operation.selection_set)
    for one in chosen:
        if one.resolve is None and one.name != "__typename":
            raise ApiError(f"this server does not know the {kind} {one.name!r} (operation {run.name})")
    if root.type == "Mutation":
        _refuse_many([one.name for one in chosen], schema[root.type])
    return run.object(root, operation.selection_set, 0) or {}


def _refuse_many(names: Sequence[str], mutations: Type) -> None:
    """Refuse what would keep all others from writing: an operation is one transaction."""
    if len(names) > MAX_MUTATIONS:
        raise ApiError(f"an operation holds at most {MAX_MUTATIONS} mutations, not {len(names)}")
    alone = [name for name in names if name in mutations.fields and mutations.fields[name].alone]
    if alone and len(names) > 1:
        raise ApiError(f"{alone[0]} can take its time: send it in an operation of its own")


class _Run:
    """The execution of one operation."""

    def __init__(
        self,
        document: Document,
        operation: ast.OperationDefinitionNode,
        variables: Mapping[str, Any],
        schema: Schema,
        context: object,
        large: Callable[[], None],
    ) -> None:
        self.document = document
        self.name = operation.name.value if operation.name else "?"
        self.variables = _coerce_variables(operation, variables)
        self._schema = schema
        self._context = context
        self._mutates = operation.operation is ast.OperationType.MUTATION
        self._chosen: dict[tuple[int, str], list[_Chosen]] = {}
        self._nodes = 0
        self._bytes = 0
        self._large = large
        self._end = time.monotonic() + QUERY_SECONDS

    def _fields(self, node: Node, selection: ast.SelectionSetNode) -> Iterator[ast.FieldNode]:
        """The fields that are selected on a node, fragments opened, `@include` and `@skip` obeyed."""
        seen: set[str] = set()
        stack = list(reversed(selection.selections))
        while stack:
            item = stack.pop()
            if item.directives and not self._included(item):
                continue
            if isinstance(item, ast.FieldNode):
                yield item
            elif isinstance(item, ast.InlineFragmentNode):
                if self._applies(item.type_condition, node):
                    stack.extend(reversed(item.selection_set.selections))
            elif isinstance(item, ast.FragmentSpreadNode) and item.name.value not in seen:
                seen.add(item.name.value)
                fragment = self.document.fragments.get(item.name.value)
                if fragment is None:
                    raise ApiError(f"the query uses a fragment {item.name.value!r} that it does not define")
                if self._applies(fragment.type_condition, node):
                    stack.extend(reversed(fragment.selection_set.selections))

    def selected(self, node: Node, selection: ast.SelectionSetNode) -> "list[_Chosen]":
        """The selected fields with the keys of their answers and their arguments; found once for a whole list."""
        place = (id(selection), node.type)
        found = self._chosen.get(place)
        if found is None:
            kind = self._schema.get(node.type)
            found = self._chosen[place] = [self._choice(kind, field) for field in self._fields(node, selection)]
        return found

    def _choice(self, kind: Type | None, field: ast.FieldNode) -> "_Chosen":
        name = field.name.value
        key = field.alias.value if field.alias else name
        known = None if kind is None else kind.fields.get(name)
        if known is None:
            return _Chosen(key, name, field, None, {})
        values = ((item.name.value, self._value(item.value)) for item in field.arguments or ())
        given = {name: value for name, value in values if value is not _ABSENT}
        return _Chosen(key, name, field, known.resolve, checked(name, known.takes, given))

    def complete(self, field: ast.FieldNode, value: Any, depth: int) -> Any:
        """`value` as the reply shows it: objects cut to the selected fields, the rest as it is."""
        if value is None:
            return None
        selection = field.selection_set
        if selection is None:
            return self._value_of(field, value)
        if isinstance(value, Node):
            return self.object(value, selection, depth)
        if isinstance(value, list | tuple):
            found = (self.complete(field, item, depth) for item in value)
            return [item for item in found if item is not None]
        if isinstance(value, Mapping) and self._mutates:
            return self._payload(value, selection, depth)
        raise ApiError(f"the field {field.name.value!r} has no fields of its own (operation {self.name})")

    def _value_of(self, field: ast.FieldNode, value: Any) -> Any:
        if _holds_nodes(value):
            raise ApiError(
                f"the field {field.name.value!r} is an object: choose fields of it (operation {self.name})"
            )
        self._bytes += _size(value)
        if self._bytes > LARGE_ANSWER:
            self._large()
        if self._bytes > MAX_ANSWER:
            raise ApiError(f"the answer has more than {MAX_ANSWER:,} bytes: ask for less at once")
        return plain(value)

    def object(self, node: Node, selection: ast.SelectionSetNode, depth: int) -> dict[str, Any] | None:
        """A node with the fields that are selected; None if the caller may not see it.

        Raises:
            ApiError: the operation goes beyond its bounds.
        """
        kind = self._schema[node.type]
        if not kind.sees(self._context, node.row):
            return None
        self._count(depth)
        result: dict[str, Any] = {}
        for key, name, field, resolve, arguments in self.selected(node, selection):
            if resolve is not None:
                value = self.complete(field, resolve(self._context, node.row, arguments), depth + 1)
            elif name == "__typename":
                value = kind.name or None
            else:
                _tell_unknown(self.name, kind.name, name)
                value = None
            _put(result, key, value)
        return result

    def _payload(self, given: Mapping[str, Any], selection: ast.SelectionSetNode, depth: int) -> dict[str, Any]:
        """What a mutation answers: a mapping made for it. Nodes in it are seen or not, as everywhere."""
        self._count(depth)
        result: dict[str, Any] = {}
        for key, name, field, _, _ in self.selected(Node("", None), selection):
            if name not in given:
                _tell_unknown(self.name, "a payload", name)
            _put(result, key, self.complete(field, given.get(name), depth + 1))
        return result

    def _count(self, depth: int) -> None:
        self._nodes += 1
        if depth > MAX_QUERY_DEPTH:
            raise ApiError(f"the query is nested deeper than {MAX_QUERY_DEPTH}")
        if self._nodes > MAX_QUERY_NODES:
            raise ApiError(
                f"the query asks for more than {MAX_QUERY_NODES:,} objects: ask for fewer, page by page"
            )
        if time.monotonic() > self._end:
            raise ApiError(f"the query takes more than {QUERY_SECONDS:.0f} s: ask for less at once")

    def _applies(self, condition: ast.NamedTypeNode | None, node: Node) -> bool:
        kind = self._schema.get(node.type)
        if condition is None or kind is None or not kind.name:
            return True
        return condition.name.value == kind.name or condition.name.value in kind.interfaces

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


class _Chosen(NamedTuple):
    """A selected field: the key of its answer, its name, its text, what resolves it (None: unknown), with what."""

    key: str
    name: str
    field: ast.FieldNode
    resolve: Resolver | None
    arguments: Arguments


def _size(value: Any) -> int:
    """About how long a value is in the answer; what is in objects is small."""
    if isinstance(value, str):
        return len(value)
    return sum(map(_size, value)) if isinstance(value, list) else 8


def _holds_nodes(value: Any) -> bool:
    """Whether a value is no JSON yet: a node, a list of nodes, or a payload with one in it."""
    if isinstance(value, Node):
        return True
    if isinstance(value, list):
        return bool(value) and _holds_nodes(value[0])
    return isinstance(value, dict) and not isinstance(value, Plain) and any(map(_holds_nodes, value.values()))


def _put(result: dict[str, Any], key: str, value: Any) -> None:
    """The same field, selected twice with different sub-fields, is one object with both."""
    old = result.get(key)
    result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value


@lru_cache(maxsize=4096)
def _tell_unknown(operation: str, kind: str, name: str) -> None:
    """Log a field that this server lacks: once a process, not once a request. The cache is the memory of it."""
    logger.warning("operation %s asks for the unknown field %r of %s: it gets null", operation, name, kind)


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    merged = dict(first)
    for key, value in second.items():
        _put(merged, key, value)
    return merged


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
        if len(node.value) > MAX_DIGITS:
            raise ApiError(f"a number of more than {MAX_DIGITS} digits")
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
