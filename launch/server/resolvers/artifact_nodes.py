"""Artifacts as the API shows them: versions, collections, memberships, manifests and files.

The client checks these shapes strictly: a wrong `__typename`, or a null where it wants a number, and it crashes.
This module does not know how a version is found.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from launch.server import orders
from launch.server.documents import Document, times
from launch.server.graphql import Arguments, Node
from launch.server.manifests import md5_base64
from launch.server.request import Request
from launch.server.resolvers.paging import connection, sliced, window
from launch.server.wire import gid, iso

NO_TIME_TO_LIVE = -2
"""The client demands a number; this one means that none is set."""
DEFAULT_FILES = 50
BOTH = frozenset({"created_at", "createdAt", "updated_at", "updatedAt", "description", "tag", "tags"})
COLLECTION_COLUMNS = BOTH | {"name", "type"}
VERSION_COLUMNS = BOTH | {"versionIndex", "version_index", "digest", "state", "size", "metadata"}
"""What lists of collections and of versions are filtered and ordered by."""
SEQUENCE, PORTFOLIO = "ArtifactSequence", "ArtifactPortfolio"


def collection_node(request: Request, row: sqlite3.Row) -> Node:
    """A collection: all versions under one name, made here (a sequence) or linked (a portfolio)."""
    tables = request.tables
    key = row["id"]

    def membership(args: Arguments) -> Node | None:
        return shown(
            tables.memberships.by_alias(key, str(args.get("aliasName") or "latest")),
            lambda found: membership_node(request, found),
        )

    def versions(args: Arguments) -> Node:
        found = orders.chosen(tables.memberships.listed(key), args, _version_document, VERSION_COLUMNS)
        return sliced(found, args, lambda item: artifact_node(request, item, listed=True))

    kind = {"name": row["type"]}
    return {
        **_named(row, key, row["name"], row["portfolio"]),
        "description": row["description"],
        "createdAt": iso(row["created_at"]),
        "updatedAt": iso(row["updated_at"]),
        "state": "READY",
        "digestAlgorithm": "MANIFEST_MD5",
        "type": kind,
        "defaultArtifactType": kind,
        "tags": lambda args: {"edges": [{"node": _tag(name)} for name in json.loads(row["tags"])]},
        "latestArtifact": lambda args: shown(
            tables.memberships.latest(key), lambda item: artifact_node(request, item)
        ),
        "artifactMembership": membership,
        "artifacts": versions,
        "aliases": lambda args: sliced(list(tables.collections.aliases(key)), args, _alias),
    }


def collections_page(request: Request, rows: Sequence[sqlite3.Row], args: Arguments) -> Node:
    """A page of collections by filter and order; without an order the newest come first."""
    found = orders.chosen(list(reversed(rows)), args, _collection_document, COLLECTION_COLUMNS)
    return sliced(found, args, lambda row: collection_node(request, row))


def membership_node(request: Request, row: sqlite3.Row) -> Node:
    """A version as a member of a collection. `row` is one of `storage.memberships`."""
    place = row["member_collection_id"]
    return {
        "__typename": "ArtifactCollectionMembership",
        "_version": f"v{row['member_index']}",
        "id": gid("ArtifactCollectionMembership", row["member_id"]),
        "versionIndex": row["member_index"],
        "createdAt": iso(row["member_created_at"]),
        "aliases": lambda args: [_alias(item) for item in request.tables.collections.aliases_of(row["id"], place)],
        "artifactCollection": lambda args: _collection(request, place),
        "artifact": lambda args: artifact_node(request, row),
        "files": lambda args: _files(request, row, args),
    }


def artifact_node(request: Request, row: sqlite3.Row, *, listed: bool = False) -> Node:
    """A version of an artifact. `listed`: `row` is one of `storage.memberships`, in a list of its collection."""
    key = row["id"]
    tables = request.tables

    def aliases(args: Arguments) -> list[Node]:
        found = tables.collections.aliases_of(key)
        return [
            {
                **_alias(item),
                "artifactCollection": _named(item, item["collection_id"], item["name"], item["portfolio"]),
            }
            for item in found
        ]

    return {
        "_version": f"v{row['member_index']}" if listed else None,
        "__typename": "Artifact",
        "id": gid("Artifact", key),
        "artifactSequence": lambda args: _collection(request, row["collection_id"]),
        "versionIndex": row["version_index"],
        "artifactType": {"name": row["type"]},
        "description": row["description"],
        "metadata": row["metadata"],
        "ttlDurationSeconds": NO_TIME_TO_LIVE if row["ttl"] is None else row["ttl"],
        "ttlIsInherited": row["ttl"] is None,
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
        "currentManifest": lambda args: _current_manifest(request, row),
        "files": lambda args: _files(request, row, args),
        "filesByManifestEntries": lambda args: _files(request, row, {"names": _entry_names(args)}),
        "usedBy": lambda args: _users(request, key),
        "createdBy": lambda args: _maker(request, key),
        "artifactMemberships": lambda args: sliced(
            list(tables.memberships.of(key)), args, lambda item: membership_node(request, item)
        ),
    }


def pending_manifest_node(request: Request, row: sqlite3.Row, key: int, digest: str | None) -> Node:
    """A manifest that is to come, with the address to send it to."""
    return _manifest(
        gid("ArtifactManifest", key), digest, upload=request.upload_url(manifest_path(row["id"], key))
    )


def manifest_path(artifact_id: int, name: object) -> str:
    """The path at which a manifest is sent (`name` is its number) or fetched."""
    return f"/storage/manifest/{artifact_id}/{name}"


def blob_path(artifact_id: int, md5: str, name: str) -> str:
    """The path at which a file of a version is sent and fetched."""
    return f"/storage/artifact/{artifact_id}/{md5}/{name}"


def shown(row: sqlite3.Row | None, make: Callable[[sqlite3.Row], Node]) -> Node | None:
    """The node of a row; None for no row."""
    return None if row is None else make(row)


def _current_manifest(request: Request, row: sqlite3.Row) -> Node | None:
    if not row["manifest_md5"]:
        return None
    address = request.download_url(manifest_path(row["id"], "wandb_manifest.json"))
    return _manifest(gid("ArtifactManifest", f"of/{row['id']}"), row["manifest_digest"], direct=address)


def _manifest(global_id: str, digest: str | None, upload: str | None = None, direct: str | None = None) -> Node:
    return {
        "__typename": "ArtifactManifest",
        "id": global_id,
        "digest": digest,
        "file": {"id": global_id, "uploadUrl": upload, "uploadHeaders": [], "directUrl": direct},
    }


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


def _entry_names(args: Arguments) -> list[str]:
    return [str(entry.get("name")) for entry in args.get("entries") or []]


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

    runs = request.tables.artifacts.runs_of(key, "used")
    found = [request.seen(request.tables.runs.by_id(run_id)) for run_id in runs]
    return connection([run_node(request, run) for run in found if run is not None], 0, more=False)


def _maker(request: Request, key: int) -> Node | None:
    from launch.server.resolvers.runs import run_node

    makers = request.tables.artifacts.runs_of(key, "made")
    run = request.seen(request.tables.runs.by_id(makers[0])) if makers else None
    return None if run is None else run_node(request, run)


def _collection(request: Request, key: int) -> Node | None:
    return shown(request.tables.collections.by_id(key), lambda row: collection_node(request, row))


def _named(row: sqlite3.Row, key: int, name: str, portfolio: int) -> dict[str, Any]:
    from launch.server.resolvers.projects import project_reference

    typename = PORTFOLIO if portfolio else SEQUENCE
    return {
        "__typename": typename,
        "id": gid(typename, key),
        "name": name,
        "project": project_reference(row["project_id"], row["project_name"], row["entity_name"]),
    }


def _alias(row: sqlite3.Row) -> dict[str, Any]:
    return {"__typename": "ArtifactAlias", "id": gid("ArtifactAlias", row["id"]), "alias": row["alias"]}


def tag_nodes(names: Iterable[str]) -> list[Node]:
    """Tags as the API shows them."""
    return [_tag(name) for name in names]


def _tag(name: str) -> Node:
    return {"__typename": "Tag", "id": gid("Tag", name), "name": name}


def _version_document(row: sqlite3.Row) -> Document:
    """A version as filters and orders see it."""
    return {
        **times(row),
        "versionIndex": row["member_index"],
        "version_index": row["member_index"],
        "description": row["description"],
        "digest": row["digest"],
        "state": row["state"],
        "size": row["size"],
        "tag": json.loads(row["tags"]),
        "tags": json.loads(row["tags"]),
        "metadata": json.loads(row["metadata"] or "{}"),
    }


def _collection_document(row: sqlite3.Row) -> Document:
    """A collection as filters and orders see it."""
    return {
        **times(row),
        "name": row["name"],
        "description": row["description"],
        "type": row["type"],
        "tag": json.loads(row["tags"]),
        "tags": json.loads(row["tags"]),
    }
