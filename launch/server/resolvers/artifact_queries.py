"""Ways to artifacts: by global id, by project and name, by type, by a client's own id.

What is shown of them is `artifact_nodes`.
"""

import sqlite3
from typing import NamedTuple

from launch.server.arguments import LIST, PAGE, TEXT
from launch.server.graphql import Arguments, Field, Node, Resolver
from launch.server.request import Request
from launch.server.resolvers.artifact_nodes import PORTFOLIO, SEQUENCE, collection_node, collections_page
from launch.server.resolvers.paging import sliced
from launch.server.resolvers.table import always, define, field, shown
from launch.server.wire import gid, iso, parse_row_id


class Kind(NamedTuple):
    """An artifact type of a project."""

    project_id: int
    name: str
    created_at: float


def artifact(request: Request, row: None, args: Arguments) -> Node | None:
    """A version by its global id."""
    return shown("Artifact", version(request, args.get("id")))


def version(request: Request, global_id: object) -> sqlite3.Row | None:
    """The version with a global id; None if there is none that the caller sees."""
    key = parse_row_id("Artifact", global_id)
    row = request.tables.artifacts.by_id(key) if key is not None else None
    return row if row is not None and request.sees_version(row) else None


def version_of_client(request: Request, client_id: object) -> sqlite3.Row | None:
    """The version that a client named with an id of its own: of those that the caller may change, then sees."""
    found = request.tables.artifacts.by_client_id(str(client_id))
    seen = [row for row in found if request.sees_version(row)]
    return min(seen, key=lambda row: not request.changes(row["project_id"]), default=None)


def collection(request: Request, row: None, args: Arguments) -> Node | None:
    """A collection by its global id."""
    return collection_node(collection_row(request, args.get("id")))


def collection_row(request: Request, global_id: object) -> sqlite3.Row | None:
    """The collection with a global id, whatever its kind, if the caller sees its project."""
    keys = (parse_row_id(kind, global_id) for kind in (SEQUENCE, PORTFOLIO))
    key = next((key for key in keys if key is not None), None)
    return None if key is None else request.seen(request.tables.collections.by_id(key))


def find(request: Request, project_id: int, name: str) -> sqlite3.Row | None:
    """What `collection:alias` names, as a row of `storage.memberships`; without an alias, the latest."""
    base, _, alias = name.partition(":")
    row = request.tables.collections.by_name(project_id, base)
    return None if row is None else request.tables.memberships.by_alias(row["id"], alias or "latest")


def _by_client_id(request: Request, row: None, args: Arguments) -> Node | None:
    return shown("ClientIDMapping", version_of_client(request, args.get("clientID")))


def _artifact(request: Request, project: sqlite3.Row, args: Arguments) -> Node | None:
    return shown("Artifact", find(request, project["id"], str(args.get("name"))))


def _membership(request: Request, project: sqlite3.Row, args: Arguments) -> Node | None:
    return shown("ArtifactCollectionMembership", find(request, project["id"], str(args.get("name"))))


def _collection(request: Request, project: sqlite3.Row, args: Arguments) -> Node | None:
    return collection_node(request.tables.collections.by_name(project["id"], str(args.get("name"))))


def _collections(request: Request, project: sqlite3.Row, args: Arguments) -> Node:
    return collections_page(request.tables.collections.listed(project["id"]), args)


def _kinds_of(request: Request, project: sqlite3.Row) -> list[Kind]:
    found = request.tables.collections.types(project["id"])
    return [Kind(project["id"], row["name"], row["created_at"]) for row in found]


def _kind(request: Request, project: sqlite3.Row, args: Arguments) -> Node | None:
    found = (kind for kind in _kinds_of(request, project) if kind.name == args.get("name"))
    return shown("ArtifactType", next(found, None))


def _kinds(request: Request, project: sqlite3.Row, args: Arguments) -> Node:
    return sliced(_kinds_of(request, project), args, "ArtifactType")


OF_A_PROJECT: dict[str, Resolver | Field] = {
    "artifact": field(_artifact, name=TEXT),
    "artifactCollectionMembership": field(_membership, name=TEXT),
    "artifactCollection": field(_collection, name=TEXT),
    "artifactCollections": field(_collections, LIST),
    "artifactType": field(_kind, name=TEXT),
    "artifactTypes": field(_kinds, PAGE),
}
"""The fields of a project that lead to its artifacts."""


def _collection_of_kind(request: Request, kind: Kind, args: Arguments) -> Node | None:
    found = request.tables.collections.by_name(kind.project_id, str(args.get("name")))
    return collection_node(found) if found is not None and found["type"] == kind.name else None


def _collections_of_kind(request: Request, kind: Kind, args: Arguments) -> Node:
    return collections_page(request.tables.collections.listed(kind.project_id, kind.name), args)


def _artifact_of_kind(request: Request, kind: Kind, args: Arguments) -> Node | None:
    return shown("Artifact", find(request, kind.project_id, str(args.get("name"))))


define(
    "ArtifactType",
    lambda request, kind: request.sees(kind.project_id),
    {
        "id": lambda request, kind, args: gid("ArtifactType", f"{kind.project_id}/{kind.name}"),
        "name": lambda request, kind, args: kind.name,
        "description": always(None),
        "createdAt": lambda request, kind, args: iso(kind.created_at),
        "artifactCollection": field(_collection_of_kind, name=TEXT),
        "artifactCollections": field(_collections_of_kind, LIST),
        "artifact": field(_artifact_of_kind, name=TEXT),
    },
)
define(
    "ClientIDMapping",
    lambda request, row: request.sees_version(row),
    {"serverID": lambda request, row, args: gid("Artifact", row["id"])},
    name="",
)
QUERIES: dict[str, Resolver | Field] = {
    "artifact": field(artifact, id=TEXT),
    "artifactCollection": field(collection, id=TEXT),
    "clientIDMapping": field(_by_client_id, clientID=TEXT),
}
