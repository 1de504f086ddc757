"""Ways to artifacts: by global id, by project and name, by type, by the run that made or used them.

What is shown of them is `artifact_nodes`.
"""

import sqlite3

from launch.server.graphql import Arguments, Node
from launch.server.request import Request
from launch.server.resolvers.artifact_nodes import (
    PORTFOLIO,
    SEQUENCE,
    artifact_node,
    collection_node,
    collections_page,
    membership_node,
    shown,
)
from launch.server.resolvers.paging import sliced
from launch.server.storage import artifacts
from launch.server.wire import gid, iso, parse_row_id


def artifact(request: Request, args: Arguments) -> Node | None:
    """A version by its global id."""
    row = version(request, args.get("id"))
    return None if row is None else artifact_node(request, row)


def version(request: Request, global_id: object) -> sqlite3.Row | None:
    """The version with a global id; None if there is none, or none in a project that the caller sees."""
    key = parse_row_id("Artifact", global_id)
    row = request.tables.artifacts.by_id(key) if key is not None else None
    if row is None or row["state"] == artifacts.DELETED:
        return None
    places = (row["project_id"], *request.tables.memberships.projects(row["id"]))
    return row if any(request.sees(project_id) for project_id in places) else None


def collection(request: Request, args: Arguments) -> Node | None:
    """A collection by its global id."""
    row = collection_row(request, args.get("id"))
    return None if row is None else collection_node(request, row)


def collection_row(request: Request, global_id: object) -> sqlite3.Row | None:
    """The collection with a global id, whatever its kind, if the caller sees its project."""
    keys = (parse_row_id(kind, global_id) for kind in (SEQUENCE, PORTFOLIO))
    key = next((key for key in keys if key is not None), None)
    return None if key is None else request.seen(request.tables.collections.by_id(key))


def client_id_mapping(request: Request, args: Arguments) -> Node | None:
    """The global id of the version that a client named with an id of its own."""
    row = request.seen(request.tables.artifacts.by_client_id(str(args.get("clientID"))))
    return None if row is None else {"serverID": gid("Artifact", row["id"])}


def of_run(request: Request, run_id: int, role: str, args: Arguments) -> Node:
    """The versions that a run made or used."""
    rows = [row for row in request.tables.artifacts.of_run(run_id, role) if request.sees(row["project_id"])]
    return sliced(rows, args, lambda row: artifact_node(request, row))


def project_fields(request: Request, project: sqlite3.Row) -> Node:
    """The fields of a project that lead to its artifacts."""
    key = project["id"]
    tables = request.tables

    def by_name(args: Arguments) -> sqlite3.Row | None:
        return find(request, key, str(args.get("name")))

    def collection_by_name(args: Arguments) -> Node | None:
        row = tables.collections.by_name(key, str(args.get("name")))
        return None if row is None else collection_node(request, row)

    def all_collections(args: Arguments) -> Node:
        return collections_page(request, tables.collections.listed(key), args)

    def kind(args: Arguments) -> Node | None:
        found = (row for row in tables.collections.types(key) if row["name"] == args.get("name"))
        return next((type_node(request, project, row) for row in found), None)

    def kinds(args: Arguments) -> Node:
        return sliced(list(tables.collections.types(key)), args, lambda row: type_node(request, project, row))

    return {
        "artifact": lambda args: shown(by_name(args), lambda row: artifact_node(request, row)),
        "artifactCollectionMembership": lambda args: shown(
            by_name(args), lambda row: membership_node(request, row)
        ),
        "artifactCollection": collection_by_name,
        "artifactCollections": all_collections,
        "artifactType": kind,
        "artifactTypes": kinds,
    }


def find(request: Request, project_id: int, name: str) -> sqlite3.Row | None:
    """What `collection:alias` names, as a row of `storage.memberships`; without an alias, the latest."""
    base, _, alias = name.partition(":")
    row = request.tables.collections.by_name(project_id, base)
    return None if row is None else request.tables.memberships.by_alias(row["id"], alias or "latest")


def type_node(request: Request, project: sqlite3.Row, row: sqlite3.Row) -> Node:
    """An artifact type of a project."""
    tables = request.tables

    def one(args: Arguments) -> Node | None:
        found = tables.collections.by_name(project["id"], str(args.get("name")))
        return collection_node(request, found) if found is not None and found["type"] == row["name"] else None

    def collections(args: Arguments) -> Node:
        return collections_page(request, tables.collections.listed(project["id"], row["name"]), args)

    return {
        "__typename": "ArtifactType",
        "id": gid("ArtifactType", f"{project['id']}/{row['name']}"),
        "name": row["name"],
        "description": None,
        "createdAt": iso(row["created_at"]),
        "artifactCollection": one,
        "artifactCollections": collections,
        "artifact": lambda args: shown(
            find(request, project["id"], str(args.get("name"))), lambda item: artifact_node(request, item)
        ),
    }
