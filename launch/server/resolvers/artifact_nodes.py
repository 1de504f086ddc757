"""Artifacts as the API shows them: versions, collections, memberships, manifests and files.

The client checks these shapes strictly: a wrong `__typename`, or a null where it wants a number, and it crashes. A
version that is linked into a project is seen there by all who see the project; where it was made stays hidden from
those who do not see that, and it is told as if it had been made at the first place that they see.
"""

import json
import sqlite3
from collections.abc import Sequence

from launch.server import orders
from launch.server.arguments import LIST, PAGE, TEXT, TEXTS, Shape
from launch.server.documents import Document, times
from launch.server.graphql import Arguments, Node
from launch.server.manifests import md5_base64
from launch.server.request import Request
from launch.server.resolvers.paging import connection, sliced, window
from launch.server.resolvers.table import (
    Payload,
    always,
    column,
    define,
    field,
    of_project,
    part,
    public,
    shown,
)
from launch.server.wire import gid, iso

NO_TIME_TO_LIVE = -2
"""The client demands a number; this one means that none is set."""
DEFAULT_FILES = 50
BOTH = frozenset({"created_at", "createdAt", "updated_at", "updatedAt", "description", "tag", "tags"})
COLLECTION_COLUMNS = BOTH | {"name", "type"}
VERSION_COLUMNS = BOTH | {"versionIndex", "version_index", "digest", "state", "size", "metadata"}
"""What lists of collections and of versions are filtered and ordered by."""
SEQUENCE, PORTFOLIO = "ArtifactSequence", "ArtifactPortfolio"


def collection_node(row: sqlite3.Row | None) -> Node | None:
    """A collection: all versions under one name, made here (a sequence) or linked (a portfolio)."""
    return None if row is None else Node(PORTFOLIO if row["portfolio"] else SEQUENCE, row)


def collections_page(rows: Sequence[sqlite3.Row], args: Arguments) -> Node:
    """A page of collections by filter and order; without an order the newest come first."""
    found = orders.chosen(list(reversed(rows)), args, _collection_document, COLLECTION_COLUMNS)
    offset, limit = window(args)
    nodes = [node for row in found[offset : offset + limit] if (node := collection_node(row)) is not None]
    return connection(nodes, offset, more=offset + limit < len(found), total=len(found))


def pending_manifest(request: Request, row: sqlite3.Row, key: int, digest: str | None) -> Payload:
    """A manifest that is to come, with the address to send it to."""
    name = gid("ArtifactManifest", key)
    address = request.upload_url(manifest_path(row["id"], key))
    file: Payload = {"id": name, "uploadUrl": address, "uploadHeaders": [], "directUrl": None}
    return {"__typename": "ArtifactManifest", "id": name, "digest": digest, "file": file}


def manifest_path(artifact_id: int, name: object) -> str:
    """The path at which a manifest is sent (`name` is its number) or fetched."""
    return f"/storage/manifest/{artifact_id}/{name}"


def blob_path(artifact_id: int, md5: str, name: str) -> str:
    """The path at which a file of a version is sent and fetched. For whom stands in the signature."""
    return f"/storage/artifact/{artifact_id}/{md5}/{name}"


# --- versions ------------------------------------------------------------------------------------------------


def _place(request: Request, row: sqlite3.Row) -> sqlite3.Row | None:
    """The first place in which the caller sees a version, as a row of `storage.memberships`."""
    return next((item for item in request.tables.memberships.of(row["id"]) if _sees_place(request, item)), None)


def _sees_place(request: Request, row: sqlite3.Row) -> bool:
    return request.sees(row["member_project_id"])


def _source(request: Request, row: sqlite3.Row, args: Arguments) -> Node | None:
    if request.sees(row["project_id"]):
        return shown(SEQUENCE, request.collection_of(row["collection_id"]))
    place = _place(request, row)
    return None if place is None else shown(SEQUENCE, request.collection_of(place["member_collection_id"]))


def _number(request: Request, row: sqlite3.Row, args: Arguments) -> int | None:
    place = None if request.sees(row["project_id"]) else _place(request, row)
    number: int | None = row["version_index"] if place is None else place["member_index"]
    return number


def _aliases(request: Request, row: sqlite3.Row, args: Arguments) -> list[Node]:
    found = request.tables.collections.aliases_of(row["id"])
    return [Node("ArtifactAlias", item) for item in found]


def _tags(request: Request, row: sqlite3.Row, args: Arguments) -> list[Node]:
    return [Node("Tag", name) for name in json.loads(row["tags"])]


def _memberships(request: Request, row: sqlite3.Row, args: Arguments) -> Node:
    places = [item for item in request.tables.memberships.of(row["id"]) if _sees_place(request, item)]
    return sliced(places, args, "ArtifactCollectionMembership")


def _users(request: Request, row: sqlite3.Row, args: Arguments) -> Node:
    keys = request.tables.artifacts.runs_of(row["id"], "used")
    return connection([Node("Run", run) for run in request.tables.runs.by_ids(keys)])


def _maker(request: Request, row: sqlite3.Row, args: Arguments) -> Node | None:
    makers = request.tables.artifacts.runs_of(row["id"], "made")
    return shown("Run", request.tables.runs.by_id(makers[0])) if makers else None


def _manifest(request: Request, row: sqlite3.Row, args: Arguments) -> Node | None:
    return Node("ArtifactManifest", row) if row["manifest_blob"] else None


def _files(request: Request, row: sqlite3.Row, args: Arguments) -> Node:
    return _named_files(request, row, args.get("names") or [], args)


def _files_by_entries(request: Request, row: sqlite3.Row, args: Arguments) -> Node:
    return _named_files(request, row, [entry.get("name") for entry in args.get("entries") or []], {})


def _named_files(request: Request, row: sqlite3.Row, names: Sequence[object], args: Arguments) -> Node:
    stored = request.tables.artifacts
    if names:
        entries = [entry for name in names if (entry := stored.entry(row["id"], str(name))) is not None]
        return connection([Node("ArtifactFile", (row, item)) for item in entries], total=len(entries))
    offset, limit = window(args, default=DEFAULT_FILES)
    entries = list(stored.entries(row["id"], offset, limit + 1))
    nodes = [Node("ArtifactFile", (row, item)) for item in entries[:limit]]
    return connection(nodes, offset, more=len(entries) > limit, total=row["file_count"])


FILES = field(_files, PAGE, names=TEXTS)
define(
    "Artifact",
    lambda request, row: request.sees_version(row),
    {
        "id": lambda request, row, args: gid("Artifact", row["id"]),
        "artifactSequence": _source,
        "versionIndex": _number,
        "artifactType": lambda request, row, args: Node("TypeName", row["type"]),
        "description": column("description"),
        "metadata": column("metadata"),
        "ttlDurationSeconds": lambda request, row, args: NO_TIME_TO_LIVE if row["ttl"] is None else row["ttl"],
        "ttlIsInherited": lambda request, row, args: row["ttl"] is None,
        "tags": _tags,
        "historyStep": column("history_step"),
        "state": column("state"),
        "size": column("size"),
        "digest": column("digest"),
        "digestAlgorithm": always("MANIFEST_MD5"),
        "commitHash": column("commit_hash"),
        "fileCount": column("file_count"),
        "createdAt": lambda request, row, args: iso(row["created_at"]),
        "updatedAt": lambda request, row, args: iso(row["updated_at"]),
        "aliases": _aliases,
        "currentManifest": _manifest,
        "files": FILES,
        "filesByManifestEntries": field(_files_by_entries, entries=Shape({"name": TEXT}, many=True)),
        "usedBy": _users,
        "createdBy": _maker,
        "artifactMemberships": field(_memberships, PAGE),
    },
)


def _places_aliases(request: Request, row: sqlite3.Row, args: Arguments) -> list[Node]:
    found = request.tables.collections.aliases_of(row["id"], row["member_collection_id"])
    return [Node("ArtifactAlias", item) for item in found]


define(
    "ArtifactCollectionMembership",
    _sees_place,
    {
        "id": lambda request, row, args: gid("ArtifactCollectionMembership", row["member_id"]),
        "versionIndex": column("member_index"),
        "createdAt": lambda request, row, args: iso(row["member_created_at"]),
        "aliases": _places_aliases,
        "artifactCollection": lambda request, row, args: collection_node(
            request.collection_of(row["member_collection_id"])
        ),
        "artifact": lambda request, row, args: Node("Artifact", row),
        "files": FILES,
    },
)
define(
    "ArtifactAlias",
    of_project,
    {
        "id": lambda request, row, args: gid("ArtifactAlias", row["id"]),
        "alias": column("alias"),
        "artifactCollection": lambda request, row, args: collection_node(
            request.collection_of(row["collection_id"])
        ),
    },
)
define(
    "Tag",
    part,
    {"id": lambda request, name, args: gid("Tag", name), "name": lambda request, name, args: name},
)
define(
    "TypeName",
    public,
    {"name": lambda request, name, args: name},
    name="",
)


# --- manifests and files -------------------------------------------------------------------------------------


def _manifest_id(request: Request, row: sqlite3.Row, args: Arguments) -> str:
    return gid("ArtifactManifest", f"of/{row['id']}")


def _manifest_url(request: Request, row: sqlite3.Row, args: Arguments) -> str:
    return request.download_url(manifest_path(row["id"], "wandb_manifest.json"))


def _file_url(request: Request, of: tuple[sqlite3.Row, sqlite3.Row], args: Arguments) -> str | None:
    row, entry = of
    if not entry["md5"]:
        return str(entry["ref"])
    return request.download_url(blob_path(row["id"], entry["md5"], entry["path"]))


define(
    "ArtifactManifest",
    lambda request, row: request.sees_version(row),
    {
        "id": _manifest_id,
        "digest": column("manifest_digest"),
        "file": lambda request, row, args: Node("ManifestFile", row),
    },
)
define(
    "ManifestFile",
    lambda request, row: request.sees_version(row),
    {"id": _manifest_id, "directUrl": _manifest_url, "uploadUrl": always(None), "uploadHeaders": always([])},
    name="",
)
define(
    "ArtifactFile",
    lambda request, of: request.sees_version(of[0]),
    {
        "id": lambda request, of, args: gid("ArtifactFile", f"{of[0]['id']}/{of[1]['path']}"),
        "name": lambda request, of, args: of[1]["path"],
        "displayName": lambda request, of, args: of[1]["path"],
        "url": _file_url,
        "directUrl": _file_url,
        "sizeBytes": lambda request, of, args: of[1]["size"],
        "storagePath": lambda request, of, args: f"wandb_artifacts/{of[1]['md5']}" if of[1]["md5"] else None,
        "mimetype": always(None),
        "updatedAt": lambda request, of, args: iso(of[0]["updated_at"]),
        "digest": lambda request, of, args: md5_base64(of[1]["md5"]) if of[1]["md5"] else None,
        "md5": lambda request, of, args: of[1]["md5"],
    },
    name="File",
)


# --- collections ---------------------------------------------------------------------------------------------


def _member(request: Request, row: sqlite3.Row, args: Arguments) -> Node | None:
    found = request.tables.memberships.by_alias(row["id"], str(args.get("aliasName") or "latest"))
    return shown("ArtifactCollectionMembership", found)


def _versions(request: Request, row: sqlite3.Row, args: Arguments) -> Node:
    found = orders.chosen(request.tables.memberships.listed(row["id"]), args, _version_document, VERSION_COLUMNS)
    return sliced(found, args, "Artifact")


def _latest(request: Request, row: sqlite3.Row, args: Arguments) -> Node | None:
    return shown("Artifact", request.tables.memberships.latest(row["id"]))


def _all_aliases(request: Request, row: sqlite3.Row, args: Arguments) -> Node:
    return sliced(list(request.tables.collections.aliases(row["id"])), args, "ArtifactAlias")


for kind in (SEQUENCE, PORTFOLIO):
    define(
        kind,
        of_project,
        {
            "id": lambda request, row, args, kind=kind: gid(kind, row["id"]),  # type: ignore[misc]
            "name": column("name"),
            "project": lambda request, row, args: shown("Project", request.project_of(row["project_id"])),
            "description": column("description"),
            "createdAt": lambda request, row, args: iso(row["created_at"]),
            "updatedAt": lambda request, row, args: iso(row["updated_at"]),
            "state": always("READY"),
            "digestAlgorithm": always("MANIFEST_MD5"),
            "type": lambda request, row, args: Node("TypeName", row["type"]),
            "defaultArtifactType": lambda request, row, args: Node("TypeName", row["type"]),
            "tags": lambda request, row, args: connection([Node("Tag", name) for name in json.loads(row["tags"])]),
            "latestArtifact": _latest,
            "artifactMembership": field(_member, aliasName=TEXT),
            "artifacts": field(_versions, LIST),
            "aliases": field(_all_aliases, PAGE),
        },
        interfaces=("ArtifactCollection",),
    )


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
