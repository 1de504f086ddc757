"""Connections: pages of nodes with cursors. A cursor is the number of the node in the whole list."""

from collections.abc import Callable, Iterable
from typing import Any

from launch.server.errors import ApiError
from launch.server.graphql import Arguments, Node
from launch.server.limits import MAX_PAGE

DEFAULT_PAGE = 50


def window(args: Arguments, default: int = DEFAULT_PAGE) -> tuple[int, int]:
    """Offset and length of the page that `first` and `after` ask for.

    Raises:
        ApiError: one of them is not a number that this server gave.
    """
    after, first = args.get("after"), args.get("first")
    try:
        offset = int(after) + 1 if after not in (None, "") else 0
        limit = default if first is None else int(first)
    except (TypeError, ValueError) as error:
        raise ApiError(f"not a cursor of this server: {after!r}") from error
    if offset < 0 or limit < 0 or offset > 2**53:
        raise ApiError(f"not a page: first={first!r} after={after!r}")
    return offset, min(limit, MAX_PAGE)


def connection(
    nodes: Iterable[Node], offset: int, *, more: bool, total: int | Callable[[Any], int] | None = None
) -> Node:
    """A page as a node. `total` may be a function, computed only when asked for."""
    edges = [
        {"node": node, "cursor": str(offset + index), "version": node.get("_version")}
        for index, node in enumerate(nodes)
    ]
    end = str(offset + len(edges) - 1) if edges else None
    page = {"__typename": "PageInfo", "hasNextPage": more, "endCursor": end}
    return {"edges": edges, "pageInfo": page, "totalCount": total}


def sliced(items: list[Any], args: Arguments, make: Callable[[Any], Node]) -> Node:
    """A page of a list that is at hand as a whole."""
    offset, limit = window(args)
    chosen = items[offset : offset + limit]
    return connection(map(make, chosen), offset, more=offset + limit < len(items), total=len(items))
