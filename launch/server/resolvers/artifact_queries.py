"""Artifacts as the API shows them: versions, collections, memberships, types, files and lineage.

The client checks these shapes strictly: a wrong `__typename`, or a null where it wants a number, and it crashes.
"""

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from launch.server.graphql import Arguments, Node
from launch.server.manifests import md5_base64
from launch.server.resolvers.paging import connection, sliced, window
from launch.server.services import Request
from launch.server.storage import artifacts
from launch.server.wire import gid, iso, parse_row_id

NO_TIME_TO_LIVE = -2
"""The client demands a number; this one means that none is set."""
DEFAULT_FILES = 50


def artifact(request: Request, args: Arguments) -> Node | None:
    """A version by its global id."""
    key = parse_row_id("Artifact", args.get("id"))
    row = request.tables.artifacts.by_id(key) if key is not None else None
    return None if row is None or row["state"] == artifacts.DELETED else artifact_node(request, row)


def collection(request: Request, args: Arguments) -> Node | None:
    """A collection by its global id."""
    key = parse_row_id("ArtifactSequence", args.get("id"))
    row = request.tables.collections.by_id(key) if key is not None else None
    return None if row is None else collection_node(request, row)


def client_id_mapping(request: Request, args: Arguments) -> Node | None:
    """The global id of the version that a client named with an id of its own."""
    row = request.tables.artifacts.by_client_id(str(args.get("clientID")))
    return None if row is None else {"serverID": gid("Artifact", row["id"])}


def of_run(request: Request, run_id: int, role: str, args: Arguments) -> Node:
    """The versions that a run made or used."""
    rows = list(request.tables.artifacts.of_run(run_id, role))
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
        return sliced(list(tables.collections.listed(key)), args, lambda row: collection_node(request, row))

    def kind(args: Arguments) -> Node | None:
        found = (row for row in tables.collections.types(key) if row["name"] == args.get("name"))
        return next((type_node(request, project, row) for row in found), None)

    def kinds(args: Arguments) -> Node:
        return sliced(list(tables.collections.types(key)), args, lambda row: type_node(request, project, row))

    return {
        "artifact": lambda args: _shown(by_name(args), lambda row: artifact_node(request, row)),
        "artifactCollectionMembership": lambda args: _shown(
            by_name(args), lambda row: membership_node(request, row)
        ),
        "artifactCollection": collection_by_name,
        "artifactCollections": all_collections,
        "artifactType": kind,
        "artifactTypes": kinds,
    }


def find(request: Request, project_id: int, name: str) -> sqlite3.Row | None:
    """The committed version that `collection:alias` names; without an alias, the latest."""
    base, _, alias = name.partition(":")
    row = request.tables.collections.by_name(project_id, base)
    return None if row is None else request.tables.artifacts.by_alias(row["id"], alias or "latest")


def type_node(request: Request, project: sqlite3.Row, row: sqlite3.Row) -> Node:
    """An artifact type of a project."""
    tables = request.tables

    def one(args: Arguments) -> Node | None:
        found = tables.collections.by_name(project["id"], str(args.get("name")))
        return collection_node(request, found) if found is not None and found["type"] == row["name"] else None

    def collections(args: Arguments) -> Node:
        found = list(tables.collections.listed(project["id"], row["name"]))
        return sliced(found, args, lambda item: collection_node(request, item))

    return {
        "__typename": "ArtifactType",
        "id": gid("ArtifactType", f"{project['id']}/{row['name']}"),
        "name": row["name"],
        "description": None,
        "createdAt": iso(row["created_at"]),
        "artifactCollection": one,
        "artifactCollections": collections,
        "artifact": lambda args: _shown(
            find(request, project["id"], str(args.get("name"))), lambda item: artifact_node(request, item)
        ),
    }


def collection_node(request: Request, row: sqlite3.Row) -> Node:
    """A collection: all versions under one name."""
    tables = request.tables
    key = row["id"]

    def membership(args: Arguments) -> Node | None:
        found = tables.artifacts.by_alias(key, str(args.get("aliasName") or "latest"))
        return None if found is None else membership_node(request, found)

    def versions(args: Arguments) -> Node:
        found = list(tables.artifacts.listed(key))
        if str(args.get("order") or "").lstrip("+") in ("created_at", "createdAt", "version_index"):
            found.reverse()
        return sliced(found, args, lambda item: artifact_node(request, item, listed=True))

    kind = {"name": row["type"]}
    return {
        **_sequence(row["project_id"], row["project_name"], key, row["name"]),
        "description": row["description"],
        "createdAt": iso(row["created_at"]),
        "updatedAt": iso(row["updated_at"]),
        "state": "READY",
        "digestAlgorithm": "MANIFEST_MD5",
        "type": kind,
        "defaultArtifactType": kind,
        "tags": {"edges": []},
        "latestArtifact": lambda args: _shown(
            tables.artifacts.latest(key), lambda item: artifact_node(request, item)
        ),
        "artifactMembership": membership,
        "artifacts": versions,
        "aliases": lambda args: sliced(list(tables.collections.aliases(key)), args, _alias),
    }


def membership_node(request: Request, row: sqlite3.Row) -> Node:
    """A version as a member of its collection."""
    return {
        "__typename": "ArtifactCollectionMembership",
        "id": gid("ArtifactCollectionMembership", row["id"]),
        "versionIndex": row["version_index"],
        "createdAt": iso(row["created_at"]),
        "aliases": lambda args: [_alias(item) for item in request.tables.collections.aliases_of(row["id"])],
        "artifactCollection": lambda args: _collection_of(request, row),
        "artifact": lambda args: artifact_node(request, row),
        "files": lambda args: _files(request, row, args),
    }


def artifact_node(request: Request, row: sqlite3.Row, *, listed: bool = False) -> Node:
    """A version of an artifact."""
    key = row["id"]
    tables = request.tables

    def aliases(args: Arguments) -> list[Node]:
        where = _sequence(row["project_id"], row["project_name"], row["collection_id"], row["collection_name"])
        found = tables.collections.aliases_of(key)
        return [{**_alias(item), "artifactCollection": where} for item in found]

    return {
        "_version": f"v{row['version_index']}" if listed else None,
        "__typename": "Artifact",
        "id": gid("Artifact", key),
        "artifactSequence": lambda args: _collection_of(request, row),
        "versionIndex": row["version_index"],
        "artifactType": {"name": row["type"]},
        "description": row["description"],
        "metadata": row["metadata"],
        "ttlDurationSeconds": NO_TIME_TO_LIVE,
        "ttlIsInherited": False,
        "tags": lambda args: [_tag(name) for name in json.loads(row["tags"])],
        "historyStep": row["history_step"],
        "state": row["state"],
        "size": row["size"],
        "digest": row["digest"],
        "digestAlgorithm": "MANIFEST_MD5",
        "commitHash": row["commit_hash"],
        "fileCount": row["file_count"],
        "createdAt": iso(row["created_at"]),
        "updatedAt": iso(row["updated_at"]),
        "aliases": aliases,
        "currentManifest": lambda args: manifest_node(request, row, upload=False),
        "files": lambda args: _files(request, row, args),
        "usedBy": lambda args: _users(request, key),
        "createdBy": lambda args: _maker(request, key),
        "artifactMemberships": lambda args: connection([membership_node(request, row)], 0, more=False, total=1),
    }


def manifest_node(request: Request, row: sqlite3.Row, *, upload: bool) -> Node:
    """The manifest of a version, with the address to fetch it from or to send it to."""
    key = row["id"]
    path = f"/storage/manifest/{key}/wandb_manifest.json"
    address = request.upload_url(path) if upload else None
    return {
        "__typename": "ArtifactManifest",
        "id": gid("ArtifactManifest", key),
        "digest": row["manifest_digest"],
        "file": {
            "id": gid("ManifestFile", key),
            "uploadUrl": address,
            "uploadHeaders": [],
            "directUrl": lambda args: request.download_url(path) if row["manifest_md5"] else None,
        },
    }


def blob_path(artifact_id: int, md5: str, name: str) -> str:
    """The path at which a file of a version is sent and fetched."""
    return f"/storage/artifact/{artifact_id}/{md5}/{name}"


def _files(request: Request, row: sqlite3.Row, args: Arguments) -> Node:
    stored = request.tables.artifacts
    names = args.get("names")
    if names:
        entries = [entry for name in names if (entry := stored.entry(row["id"], str(name))) is not None]
        return connection([_file(request, row, item) for item in entries], 0, more=False, total=len(entries))
    offset, limit = window(args, default=DEFAULT_FILES)
    entries = list(stored.entries(row["id"], offset, limit + 1))
    nodes = [_file(request, row, item) for item in entries[:limit]]
    return connection(nodes, offset, more=len(entries) > limit, total=row["file_count"])


def _file(request: Request, row: sqlite3.Row, entry: sqlite3.Row) -> Node:
    md5 = entry["md5"]
    url = request.download_url(blob_path(row["id"], md5, entry["path"])) if md5 else entry["ref"]
    return {
        "__typename": "File",
        "id": gid("ArtifactFile", f"{row['id']}/{entry['path']}"),
        "name": entry["path"],
        "displayName": entry["path"],
        "url": url,
        "directUrl": url,
        "sizeBytes": entry["size"],
        "storagePath": f"wandb_artifacts/{md5}" if md5 else None,
        "mimetype": None,
        "updatedAt": iso(row["updated_at"]),
        "digest": md5_base64(md5) if md5 else None,
        "md5": md5,
    }


def _users(request: Request, key: int) -> Node:
    from launch.server.resolvers.runs import run_node

    found = [request.tables.runs.by_id(run_id) for run_id in request.tables.artifacts.runs_of(key, "used")]
    return connection([run_node(request, run) for run in found if run is not None], 0, more=False)


def _maker(request: Request, key: int) -> Node | None:
    from launch.server.resolvers.runs import run_node

    makers = request.tables.artifacts.runs_of(key, "made")
    run = request.tables.runs.by_id(makers[0]) if makers else None
    return None if run is None else run_node(request, run)


def _collection_of(request: Request, row: sqlite3.Row) -> Node | None:
    found = request.tables.collections.by_id(row["collection_id"])
    return None if found is None else collection_node(request, found)


def _sequence(project_id: int, project_name: str, key: int, name: str) -> dict[str, Any]:
    from launch.server.resolvers.projects import project_reference

    return {
        "__typename": "ArtifactSequence",
        "id": gid("ArtifactSequence", key),
        "name": name,
        "project": project_reference(project_id, project_name),
    }


def _alias(row: sqlite3.Row) -> dict[str, Any]:
    return {"__typename": "ArtifactAlias", "id": gid("ArtifactAlias", row["id"]), "alias": row["alias"]}


def _tag(name: str) -> Node:
    return {"__typename": "Tag", "id": gid("Tag", name), "name": name}


def _shown(row: sqlite3.Row | None, make: Callable[[sqlite3.Row], Node]) -> Node | None:
    return None if row is None else make(row)
