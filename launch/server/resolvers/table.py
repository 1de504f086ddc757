"""The table of types: every kind of node that the API shows, its fields, and who may see it.

The modules of this package fill it, each with its own types, and lead to the types of others by name alone. To see
a node is to see the project that it belongs to (`of_project`), with three exceptions: what is only ever reached
through its owner and holds no more than what that owner tells (`part`), versions of artifacts, which are also seen
where they are linked, and what is no secret (`public`).
"""

from collections.abc import Callable, Mapping
from typing import Any

from launch.server.arguments import Kind, Shape
from launch.server.graphql import Arguments, Field, Node, Resolver, Type
from launch.server.request import Request

NODES: dict[str, Type] = {}
Fields = Mapping[str, "Resolver | Field"]
Given = Mapping[str, Any]
Payload = Mapping[str, Any]
"""What a mutation answers: values and nodes."""


def define(
    kind: str,
    sees: Callable[[Request, Any], bool],
    fields: Fields,
    *,
    name: str | None = None,
    interfaces: tuple[str, ...] = (),
) -> None:
    """Put a type into the table.

    `name` is what clients call it, where that differs: "" for one that they call by several names, as they do
    connections; a fragment on any type applies to it.
    """
    told = {key: value if isinstance(value, Field) else Field(value, {}) for key, value in fields.items()}
    NODES[kind] = Type(kind if name is None else name, sees, told, frozenset(interfaces))


def field(resolve: Resolver, takes: Mapping[str, Kind] | None = None, **more: Kind) -> Field:
    """A field with arguments."""
    return Field(resolve, {**(takes or {}), **more})


def mutation(
    resolve: Callable[[Request, Given], Payload],
    takes: Mapping[str, Kind] | None = None,
    *,
    alone: bool = False,
    **more: Kind,
) -> Field:
    """A mutation: a function of the request and of its `input`, which has these fields; `alone` as in `Field`."""

    def answer(request: Request, row: None, args: Arguments) -> Payload:
        return resolve(request, args.get("input") or {})

    return Field(answer, {"input": Shape({**(takes or {}), **more})}, alone)


def column(name: str) -> Resolver:
    """A column of the row, told as it is."""
    return lambda request, row, args: row[name]


def always(value: Any) -> Resolver:
    """The same value for everybody."""
    return lambda request, row, args: value


def of_project(request: Request, row: Any) -> bool:
    """Rows that say to which project they belong."""
    return request.sees(row["project_id"])


def part(request: Request, row: Any) -> bool:
    """What is reached through its owner alone, and tells nothing but of that owner."""
    return True


def public(request: Request, row: Any) -> bool:
    """What is no secret."""
    return True


def shown(kind: str, row: Any) -> Node | None:
    """The node of a row; None for no row."""
    return None if row is None else Node(kind, row)
