"""Changes to artifacts that exist: aliases, descriptions, metadata, tags, deletion."""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from launch.server.errors import CONFLICT, ApiError, NotFound
from launch.server.graphql import Arguments, Node
from launch.server.resolvers.artifact_queries import artifact_node, collection_node
from launch.server.resolvers.artifacts import checked_alias, find
from launch.server.services import Request
from launch.server.storage import artifacts
from launch.server.wire import dumps, json_object, parse_row_id


def update_artifact(request: Request, args: Arguments) -> Node:
    """Store a description, metadata, aliases or tags of a version; what is null stays."""
    given = args.get("input") or {}
    row = find(request, given.get("artifactID"))
    columns: dict[str, Any] = {}
    if given.get("description") is not None:
        columns["description"] = str(given["description"])
    if given.get("metadata") is not None:
        columns["metadata"] = dumps(json_object(given["metadata"], "metadata"))
    columns["tags"] = json.dumps(_tags(row, given))
    request.tables.artifacts.set(row["id"], **columns)
    if given.get("aliases") is not None:
        _replace_aliases(request, row, [checked_alias(item.get("alias")) for item in given["aliases"]])
    return {"artifact": artifact_node(request, find(request, given["artifactID"]))}


def add_aliases(request: Request, args: Arguments) -> Node:
    """Point aliases at a version."""
    given = args.get("input") or {}
    row = find(request, given.get("artifactID"))
    for item in given.get("aliases") or []:
        request.tables.collections.set_alias(row["collection_id"], checked_alias(item.get("alias")), row["id"])
    return {"success": True}


def delete_aliases(request: Request, args: Arguments) -> Node:
    """Take aliases off a version."""
    given = args.get("input") or {}
    row = find(request, given.get("artifactID"))
    for item in given.get("aliases") or []:
        request.tables.collections.drop_alias(row["collection_id"], str(item.get("alias")), row["id"])
    return {"success": True}


def delete_artifact(request: Request, args: Arguments) -> Node:
    """Delete a version. Its number is not given again; its bytes stay, others may share them.

    Raises:
        ApiError: it has aliases, and the caller did not say to delete them too.
    """
    given = args.get("input") or {}
    row = find(request, given.get("artifactID"))
    names = [item["alias"] for item in request.tables.collections.aliases_of(row["id"])]
    if names and not given.get("deleteAliases"):
        raise ApiError(f"this version has the aliases {', '.join(names)}; delete them first", CONFLICT)
    _replace_aliases(request, row, [])
    request.tables.artifacts.set(row["id"], state=artifacts.DELETED)
    return {"artifact": artifact_node(request, row)}


def update_collection(request: Request, args: Arguments) -> Node:
    """Store the description of a collection.

    Raises:
        ApiError: it asks for another name; names are addresses here.
    """
    given = args.get("input") or {}
    row = _collection(request, given)
    if given.get("name") not in (None, row["name"]):
        raise ApiError("this server does not rename artifact collections", CONFLICT)
    request.tables.collections.describe(row["id"], given.get("description"))
    return {"artifactCollection": collection_node(request, _collection(request, given))}


def delete_collection(request: Request, args: Arguments) -> Node:
    """Delete all versions of a collection."""
    row = _collection(request, args.get("input") or {})
    request.tables.collections.delete(row["id"])
    for version in request.tables.artifacts.listed(row["id"]):
        request.tables.artifacts.set(version["id"], state=artifacts.DELETED)
    return {"artifactCollection": {**collection_node(request, row), "state": "DELETED"}}


def _collection(request: Request, given: Mapping[str, Any]) -> sqlite3.Row:
    key = parse_row_id("ArtifactSequence", given.get("artifactSequenceID"))
    row = request.tables.collections.by_id(key) if key is not None else None
    if row is None:
        raise NotFound("no such artifact collection")
    return row


def _replace_aliases(request: Request, row: sqlite3.Row, wanted: list[str]) -> None:
    collections = request.tables.collections
    for item in collections.aliases_of(row["id"]):
        if item["alias"] not in wanted:
            collections.drop_alias(row["collection_id"], item["alias"], row["id"])
    for alias in wanted:
        collections.set_alias(row["collection_id"], alias, row["id"])


def _tags(row: sqlite3.Row, given: Mapping[str, Any]) -> list[str]:
    gone = {str(tag.get("tagName")) for tag in given.get("tagsToDelete") or []}
    kept = [name for name in json.loads(row["tags"]) if name not in gone]
    added = [str(tag.get("tagName")) for tag in given.get("tagsToAdd") or []]
    return list(dict.fromkeys(kept + added))
