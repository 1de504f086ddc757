"""Connections: pages of nodes with cursors. A cursor is the number of the node in the whole list."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from launch.server.errors import ApiError
from launch.server.graphql import Arguments, Node
from launch.server.limits import MAX_PAGE
from launch.server.request import Request
from launch.server.resolvers.table import NODES, define, part

DEFAULT_PAGE = 50
_NUMBER = re.compile(r"[0-9]{1,16}")


class Page(NamedTuple):
    """A page of a list: its nodes, the number of the first, whether more follow, how many there are in all."""

    nodes: Sequence[Node]
    offset: int
    more: bool
    total: int | Callable[[], int] | None


class Edge(NamedTuple):
    """A node in a list, and its number there."""

    node: Node
    number: int


def window(args: Arguments, default: int = DEFAULT_PAGE) -> tuple[int, int]:
    """Offset and length of the page that `first` and `after` ask for.

    Raises:
        ApiError: one of them is not a number that this server gave.
    """
    after, first = args.get("after"), args.get("first")
    told = "" if after is None else str(after)
    if told and not _NUMBER.fullmatch(told):
        raise ApiError(f"not a cursor of this server: {after!r}")
    offset = int(told) + 1 if told else 0
    limit = default if first is None else int(first)
    if limit < 0 or offset > 2**53:
        raise ApiError(f"not a page: first={first!r} after={after!r}")
    return offset, min(limit, MAX_PAGE)


def connection(
    nodes: Sequence[Node], offset: int = 0, *, more: bool = False, total: int | Callable[[], int] | None = None
) -> Node:
    """A page as a node. `total` may be a function, called only if it is asked for."""
    return Node("Connection", Page(nodes, offset, more, total))


def sliced(items: Sequence[Any], args: Arguments, kind: str) -> Node:
    """A page of a list of rows that is at hand as a whole."""
    offset, limit = window(args)
    chosen = [Node(kind, item) for item in items[offset : offset + limit]]
    return connection(chosen, offset, more=offset + limit < len(items), total=len(items))


def _edges(request: Request, page: Page, args: Arguments) -> list[Node]:
    return [Node("Edge", Edge(node, page.offset + index)) for index, node in enumerate(page.nodes)]


def _total(request: Request, page: Page, args: Arguments) -> int | None:
    return page.total() if callable(page.total) else page.total


def _end(request: Request, page: Page, args: Arguments) -> str | None:
    return str(page.offset + len(page.nodes) - 1) if page.nodes else None


def _version(request: Request, edge: Edge, args: Arguments) -> str | None:
    """The number of a version in the collection whose list this is."""
    if edge.node.type not in ("Artifact", "ArtifactCollectionMembership"):
        return None
    return f"v{edge.node.row['member_index']}" if "member_index" in edge.node.row.keys() else None  # noqa: SIM118


define(
    "Connection",
    part,
    {
        "edges": _edges,
        "pageInfo": lambda request, page, args: Node("PageInfo", page),
        "totalCount": _total,
    },
    name="",
)
define(
    "Edge",
    lambda request, edge: NODES[edge.node.type].sees(request, edge.node.row),
    {
        "node": lambda request, edge, args: edge.node,
        "cursor": lambda request, edge, args: str(edge.number),
        "version": _version,
    },
    name="",
)
define("PageInfo", part, {"hasNextPage": lambda request, page, args: page.more, "endCursor": _end})
