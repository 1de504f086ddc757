"""Changes to artifacts and collections that exist: aliases, texts, tags, names, types, deletion."""

import json
import sqlite3
from typing import Any

from launch.server.arguments import ALIASES, FLAG, JSON, TAGS, TEXT, WHOLE
from launch.server.errors import CONFLICT, ApiError, NotFound
from launch.server.graphql import Field, Node
from launch.server.request import Request
from launch.server.resolvers.artifact_nodes import PORTFOLIO, SEQUENCE, collection_node
from launch.server.resolvers.artifact_queries import collection_row
from launch.server.resolvers.artifacts import checked_alias, checked_ttl, find, find_to_change
from launch.server.resolvers.table import Given, Payload, mutation
from launch.server.wire import checked_name, dumps, gid, json_object

INTERNAL_TYPES = ("job", "run_table", "wandb-")
"""Types that the client gives to what it logs by itself begin so."""


def update_artifact(request: Request, given: Given) -> Payload:
    """Store a description, metadata, time to live, aliases or tags of a version; what is null stays."""
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
    return {"artifact": Node("Artifact", find(request, given["artifactID"]))}


def add_aliases(request: Request, given: Given) -> Payload:
    """Point aliases at a version, each in the collection that it names."""
    row = find(request, given.get("artifactID"))
    for item in given.get("aliases") or []:
        key = _place(request, row, item)
        request.tables.collections.set_alias(key, checked_alias(item.get("alias")), row["id"])
    return {"success": True}


def delete_aliases(request: Request, given: Given) -> Payload:
    """Take aliases off a version, each in the collection that it names."""
    row = find(request, given.get("artifactID"))
    for item in given.get("aliases") or []:
        request.tables.collections.drop_alias(_place(request, row, item), str(item.get("alias")), row["id"])
    return {"success": True}


def delete_artifact(request: Request, given: Given) -> Payload:
    """Delete a version, and the links to it. Its number is not given again; its bytes stay, others may share them.

    Raises:
        ApiError: it has aliases where it was made, and the caller did not say to delete them too.
    """
    row = find_to_change(request, given.get("artifactID"))
    names = [item["alias"] for item in request.tables.collections.aliases_of(row["id"], row["collection_id"])]
    if names and not given.get("deleteAliases"):
        raise ApiError(f"this version has the aliases {', '.join(names)}; delete them first", CONFLICT)
    request.tables.artifacts.delete(row["id"])
    return {"artifact": _gone("Artifact", row)}


def update_collection(request: Request, given: Given) -> Payload:
    """Store the name or the description of a collection; what is null stays.

    Raises:
        ApiError: the name is taken, or cannot be one.
    """
    row = _collection(request, given)
    columns = {"description": given["description"]} if given.get("description") is not None else {}
    if given.get("name") not in (None, row["name"]):
        columns["name"] = checked_name(given["name"], "artifact")
        if request.tables.collections.by_name(row["project_id"], columns["name"]) is not None:
            raise ApiError(f"there is a collection {columns['name']!r} already", CONFLICT)
    request.tables.collections.set(row["id"], **columns)
    return {"artifactCollection": collection_node(_collection(request, given))}


def move_collection(request: Request, given: Given) -> Payload:
    """Give a collection, with all of its versions, another type.

    Raises:
        ApiError: the old or the new type is one that the client keeps for itself.
    """
    row = _collection(request, given)
    kind = checked_name(given.get("destinationArtifactTypeName"), "artifact type")
    if row["type"].startswith(INTERNAL_TYPES):
        raise ApiError(f"the type {row['type']!r} is an internal type and cannot be changed", CONFLICT)
    if kind.startswith(INTERNAL_TYPES):
        raise ApiError(f"the type {kind!r} is reserved for internal use", CONFLICT)
    request.tables.collections.set(row["id"], type=kind)
    return {"artifactCollection": collection_node(_collection(request, given))}


def add_tags(request: Request, given: Given) -> Payload:
    """Tag a collection."""
    row = _collection_at(request, given)
    names = [str(tag.get("tagName")) for tag in given.get("tags") or []]
    tags = list(dict.fromkeys([*json.loads(row["tags"]), *names]))
    request.tables.collections.set(row["id"], tags=json.dumps(tags))
    return {"tags": [Node("Tag", name) for name in tags]}


def delete_tags(request: Request, given: Given) -> Payload:
    """Take tags off a collection."""
    row = _collection_at(request, given)
    gone = {str(tag.get("tagName")) for tag in given.get("tags") or []}
    tags = [name for name in json.loads(row["tags"]) if name not in gone]
    request.tables.collections.set(row["id"], tags=json.dumps(tags))
    return {"success": True}


def delete_collection(request: Request, given: Given) -> Payload:
    """Forget a collection: with the versions that were made in it, or only the links that it holds."""
    row = _collection(request, given)
    request.tables.collections.delete(row["id"])
    return {"artifactCollection": _gone(PORTFOLIO if row["portfolio"] else SEQUENCE, row)}


def _gone(kind: str, row: sqlite3.Row) -> Payload:
    """What is told of something that has just been deleted."""
    return {"__typename": kind, "id": gid(kind, row["id"]), "state": "DELETED"}


def _collection(request: Request, given: Given) -> sqlite3.Row:
    return _changeable(
        request, collection_row(request, given.get("artifactSequenceID") or given.get("artifactPortfolioID"))
    )


def _collection_at(request: Request, given: Given) -> sqlite3.Row:
    """The collection at an address of entity, project and name, for changes."""
    project = request.project(given.get("entityName"), given.get("projectName"))
    name = str(given.get("artifactCollectionName"))
    row = None if project is None else request.tables.collections.by_name(project["id"], name)
    return _changeable(request, row)


def _changeable(request: Request, row: sqlite3.Row | None) -> sqlite3.Row:
    return request.changeable(row, "no such artifact collection")


def _place(request: Request, row: sqlite3.Row, item: Given) -> int:
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


def _tags(row: sqlite3.Row, given: Given) -> list[str]:
    gone = {str(tag.get("tagName")) for tag in given.get("tagsToDelete") or []}
    kept = [name for name in json.loads(row["tags"]) if name not in gone]
    added = [str(tag.get("tagName")) for tag in given.get("tagsToAdd") or []]
    return list(dict.fromkeys(kept + added))


COLLECTION = {"artifactSequenceID": TEXT, "artifactPortfolioID": TEXT}
PLACE = {"entityName": TEXT, "projectName": TEXT, "artifactCollectionName": TEXT}
MUTATIONS: dict[str, Field] = {
    "updateArtifact": mutation(
        update_artifact, artifactID=TEXT, description=TEXT, metadata=JSON, ttlDurationSeconds=WHOLE,
        aliases=ALIASES, tagsToAdd=TAGS, tagsToDelete=TAGS,
    ),
    "addAliases": mutation(add_aliases, artifactID=TEXT, aliases=ALIASES),
    "deleteAliases": mutation(delete_aliases, artifactID=TEXT, aliases=ALIASES),
    "deleteArtifact": mutation(delete_artifact, artifactID=TEXT, deleteAliases=FLAG),
    "updateArtifactSequence": mutation(update_collection, COLLECTION, name=TEXT, description=TEXT),
    "updateArtifactPortfolio": mutation(update_collection, COLLECTION, name=TEXT, description=TEXT),
    "moveArtifactSequence": mutation(move_collection, COLLECTION, destinationArtifactTypeName=TEXT),
    "createArtifactCollectionTagAssignments": mutation(add_tags, PLACE, tags=TAGS),
    "deleteArtifactCollectionTagAssignments": mutation(delete_tags, PLACE, tags=TAGS),
    "deleteArtifactSequence": mutation(delete_collection, COLLECTION),
    "deleteArtifactPortfolio": mutation(delete_collection, COLLECTION),
}  # fmt: skip
