"""Changes to artifacts and collections that exist: aliases, texts, tags, names, types, deletion."""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from launch.server.errors import CONFLICT, ApiError, NotFound
from launch.server.graphql import Arguments, Node
from launch.server.request import Request
from launch.server.resolvers.artifact_nodes import artifact_node, collection_node, tag_nodes
from launch.server.resolvers.artifact_queries import collection_row
from launch.server.resolvers.artifacts import checked_alias, checked_ttl, find, find_to_change
from launch.server.wire import checked_name, dumps, json_object

INTERNAL_TYPES = ("job", "run_table", "wandb-")
"""Types that the client gives to what it logs by itself begin so."""


def update_artifact(request: Request, args: Arguments) -> Node:
    """Store a description, metadata, time to live, aliases or tags of a version; what is null stays."""
    given = args.get("input") or {}
    row = find_to_change(request, given.get("artifactID"))
    columns: dict[str, Any] = {}
    if given.get("description") is not None:
        columns["description"] = str(given["description"])
    if given.get("metadata") is not None:
        columns["metadata"] = dumps(json_object(given["metadata"], "metadata"))
    if given.get("ttlDurationSeconds") is not None:
        columns["ttl"] = checked_ttl(given["ttlDurationSeconds"])
    columns["tags"] = json.dumps(_tags(row, given))
    request.tables.artifacts.set(row["id"], **columns)
    if given.get("aliases") is not None:
        _replace_aliases(request, row, [checked_alias(item.get("alias")) for item in given["aliases"]])
    return {"artifact": artifact_node(request, find(request, given["artifactID"]))}


def add_aliases(request: Request, args: Arguments) -> Node:
    """Point aliases at a version, each in the collection that it names."""
    given = args.get("input") or {}
    row = find(request, given.get("artifactID"))
    for item in given.get("aliases") or []:
        key = _place(request, row, item)
        request.tables.collections.set_alias(key, checked_alias(item.get("alias")), row["id"])
    return {"success": True}


def delete_aliases(request: Request, args: Arguments) -> Node:
    """Take aliases off a version, each in the collection that it names."""
    given = args.get("input") or {}
    row = find(request, given.get("artifactID"))
    for item in given.get("aliases") or []:
        request.tables.collections.drop_alias(_place(request, row, item), str(item.get("alias")), row["id"])
    return {"success": True}


def delete_artifact(request: Request, args: Arguments) -> Node:
    """Delete a version, and the links to it. Its number is not given again; its bytes stay, others may share them.

    Raises:
        ApiError: it has aliases where it was made, and the caller did not say to delete them too.
    """
    given = args.get("input") or {}
    row = find_to_change(request, given.get("artifactID"))
    names = [item["alias"] for item in request.tables.collections.aliases_of(row["id"], row["collection_id"])]
    if names and not given.get("deleteAliases"):
        raise ApiError(f"this version has the aliases {', '.join(names)}; delete them first", CONFLICT)
    node = {**artifact_node(request, row), "state": "DELETED"}
    request.tables.artifacts.delete(row["id"])
    return {"artifact": node}


def update_collection(request: Request, args: Arguments) -> Node:
    """Store the name or the description of a collection; what is null stays.

    Raises:
        ApiError: the name is taken, or cannot be one.
    """
    given = args.get("input") or {}
    row = _collection(request, given)
    columns = {"description": given["description"]} if given.get("description") is not None else {}
    if given.get("name") not in (None, row["name"]):
        columns["name"] = checked_name(given["name"], "artifact")
        if request.tables.collections.by_name(row["project_id"], columns["name"]) is not None:
            raise ApiError(f"there is a collection {columns['name']!r} already", CONFLICT)
    request.tables.collections.set(row["id"], **columns)
    return {"artifactCollection": collection_node(request, _collection(request, given))}


def move_collection(request: Request, args: Arguments) -> Node:
    """Give a collection, with all of its versions, another type.

    Raises:
        ApiError: the old or the new type is one that the client keeps for itself.
    """
    given = args.get("input") or {}
    row = _collection(request, given)
    kind = checked_name(given.get("destinationArtifactTypeName"), "artifact type")
    if row["type"].startswith(INTERNAL_TYPES):
        raise ApiError(f"the type {row['type']!r} is an internal type and cannot be changed", CONFLICT)
    if kind.startswith(INTERNAL_TYPES):
        raise ApiError(f"the type {kind!r} is reserved for internal use", CONFLICT)
    request.tables.collections.set(row["id"], type=kind)
    return {"artifactCollection": collection_node(request, _collection(request, given))}


def add_tags(request: Request, args: Arguments) -> Node:
    """Tag a collection."""
    given = args.get("input") or {}
    row = _collection_at(request, given)
    names = [str(tag.get("tagName")) for tag in given.get("tags") or []]
    tags = list(dict.fromkeys([*json.loads(row["tags"]), *names]))
    request.tables.collections.set(row["id"], tags=json.dumps(tags))
    return {"tags": tag_nodes(tags)}


def delete_tags(request: Request, args: Arguments) -> Node:
    """Take tags off a collection."""
    given = args.get("input") or {}
    row = _collection_at(request, given)
    gone = {str(tag.get("tagName")) for tag in given.get("tags") or []}
    tags = [name for name in json.loads(row["tags"]) if name not in gone]
    request.tables.collections.set(row["id"], tags=json.dumps(tags))
    return {"success": True}


def delete_collection(request: Request, args: Arguments) -> Node:
    """Forget a collection: with the versions that were made in it, or only the links that it holds."""
    row = _collection(request, args.get("input") or {})
    node = {**collection_node(request, row), "state": "DELETED"}
    request.tables.collections.delete(row["id"])
    return {"artifactCollection": node}


def _collection(request: Request, given: Mapping[str, Any]) -> sqlite3.Row:
    return _changeable(
        request, collection_row(request, given.get("artifactSequenceID") or given.get("artifactPortfolioID"))
    )


def _collection_at(request: Request, given: Mapping[str, Any]) -> sqlite3.Row:
    """The collection at an address of entity, project and name, for changes."""
    project = request.project(given.get("entityName"), given.get("projectName"))
    name = str(given.get("artifactCollectionName"))
    row = None if project is None else request.tables.collections.by_name(project["id"], name)
    return _changeable(request, row)


def _changeable(request: Request, row: sqlite3.Row | None) -> sqlite3.Row:
    if row is None:
        raise NotFound("no such artifact collection")
    request.must_change(row["project_id"])
    return row


def _place(request: Request, row: sqlite3.Row, item: Mapping[str, Any]) -> int:
    """The collection in which an alias is to name a version."""
    collection = _collection_at(request, item)
    if request.tables.memberships.get(collection["id"], row["id"]) is None:
        raise NotFound(f"this version is not in the collection {collection['name']!r}")
    return int(collection["id"])


def _replace_aliases(request: Request, row: sqlite3.Row, wanted: list[str]) -> None:
    collections = request.tables.collections
    for item in collections.aliases_of(row["id"], row["collection_id"]):
        if item["alias"] not in wanted:
            collections.drop_alias(row["collection_id"], item["alias"], row["id"])
    for alias in wanted:
        collections.set_alias(row["collection_id"], alias, row["id"])


def _tags(row: sqlite3.Row, given: Mapping[str, Any]) -> list[str]:
    gone = {str(tag.get("tagName")) for tag in given.get("tagsToDelete") or []}
    kept = [name for name in json.loads(row["tags"]) if name not in gone]
    added = [str(tag.get("tagName")) for tag in given.get("tagsToAdd") or []]
    return list(dict.fromkeys(kept + added))
