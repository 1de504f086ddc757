"""How a version of an artifact comes to be: created, its files and manifest sent, committed; and its use.

A version whose digest its collection already holds is not stored again: the client is told that it is here.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from launch.server.errors import CONFLICT, ApiError, NotFound
from launch.server.filestream import find_run
from launch.server.graphql import Arguments, Node
from launch.server.manifests import md5_hex, read_manifest
from launch.server.resolvers import projects
from launch.server.resolvers.artifact_queries import artifact_node, blob_path, manifest_node
from launch.server.services import Request
from launch.server.storage import artifacts
from launch.server.wire import ENTITY, checked_name, checked_path, gid, parse_row_id

MAX_ALIAS = 128


def create(request: Request, args: Arguments) -> Node:
    """Begin a version, or point at the committed one that already holds the same.

    Raises:
        ApiError: the name belongs to a collection of another type, or an alias cannot be one.
    """
    given = args.get("input") or {}
    tables = request.tables
    project = projects.made(request, given.get("entityName"), given.get("projectName"))
    collection = _collection(request, project["id"], given)
    run = _run_of(request, given)
    digest = str(given.get("digest") or "")
    aliases = [checked_alias(item.get("alias")) for item in given.get("aliases") or []]
    row = tables.artifacts.by_digest(collection["id"], digest) if given.get("enableDigestDeduplication") else None
    if row is None:
        key = tables.artifacts.add(
            collection["id"],
            digest,
            description=given.get("description"),
            metadata=given.get("metadata"),
            run_id=run["id"] if run is not None else None,
            history_step=given.get("historyStep"),
            client_id=given.get("clientID"),
            sequence_client_id=given.get("sequenceClientID"),
            pending_aliases=json.dumps(aliases),
            tags=json.dumps([str(tag.get("tagName")) for tag in given.get("tags") or []]),
            commit_hash=hashlib.sha256(f"{collection['id']}/{digest}".encode()).hexdigest()[:20],
        )
    else:
        key = row["id"]
        if given.get("clientID"):
            tables.artifacts.set(key, client_id=given["clientID"])
        for alias in aliases:
            tables.collections.set_alias(collection["id"], alias, key)
    if run is not None:
        tables.artifacts.link(run["id"], key, "made")
    return {"artifact": artifact_node(request, find(request, gid("Artifact", key)))}


def create_manifest(request: Request, args: Arguments) -> Node:
    """Announce the manifest of a version; with a digest, also where to send it."""
    given = args.get("input") or {}
    row = _pending(request, given.get("artifactID"))
    if given.get("digest"):
        request.tables.artifacts.set(row["id"], manifest_digest=md5_hex(given["digest"]))
    return {"artifactManifest": manifest_node(request, find(request, given["artifactID"]), upload=True)}


def update_manifest(request: Request, args: Arguments) -> Node:
    """Announce the digest of a manifest that was begun without one."""
    given = args.get("input") or {}
    key = parse_row_id("ArtifactManifest", given.get("artifactManifestID"))
    return create_manifest(request, {"input": {**given, "artifactID": gid("Artifact", key)}})


def create_files(request: Request, args: Arguments) -> Node:
    """Where to send each file, in the order asked; no address for what is already here."""
    files = (args.get("input") or {}).get("artifactFiles") or []
    rows: dict[object, sqlite3.Row] = {}
    nodes: list[Node] = []
    for item in files:
        artifact_id = item.get("artifactID")
        row = rows.get(artifact_id)
        if row is None:
            row = rows[artifact_id] = _pending(request, artifact_id)
        md5 = md5_hex(item.get("md5"))
        name = checked_path(item.get("name"))
        here = request.services.blobs.size(md5) is not None
        nodes.append(
            {
                "name": name,
                "displayName": name,
                "storagePath": f"wandb_artifacts/{md5}",
                "uploadUrl": None if here else request.upload_url(blob_path(row["id"], md5, name)),
                "uploadHeaders": [],
                "uploadMultipartUrls": None,
                "artifact": {"id": artifact_id},
            }
        )
    return {"files": {"edges": [{"node": node} for node in nodes]}}


def commit(request: Request, args: Arguments) -> Node:
    """Make a version official: every file of its manifest is checked to be here, then it gets its number.

    Raises:
        ApiError: 422, the manifest or a file is missing or of another size.
    """
    artifact_id = (args.get("input") or {}).get("artifactID")
    row = find(request, artifact_id)
    tables = request.tables
    if row["state"] == artifacts.PENDING:
        if not row["manifest_md5"]:
            raise ApiError("the manifest of this artifact was not uploaded", 422)
        entries = read_manifest(request.services.blobs, row["manifest_md5"])
        tables.artifacts.commit(row["id"], entries)
        for alias in json.loads(row["pending_aliases"]):
            tables.collections.set_alias(row["collection_id"], alias, row["id"])
    return {"artifact": artifact_node(request, find(request, artifact_id))}


def use(request: Request, args: Arguments) -> Node:
    """Note that a run uses a version."""
    given = args.get("input") or {}
    row = find(request, given.get("artifactID"))
    run = _run_of(request, given)
    if run is None:
        raise NotFound(f"no run {given.get('projectName')}/{given.get('runName')}")
    request.tables.artifacts.link(run["id"], row["id"], "used")
    return {"artifact": artifact_node(request, row)}


def find(request: Request, global_id: object) -> sqlite3.Row:
    """The version with a global id.

    Raises:
        NotFound: there is none, or it was deleted.
    """
    key = parse_row_id("Artifact", global_id)
    row = request.tables.artifacts.by_id(key) if key is not None else None
    if row is None or row["state"] == artifacts.DELETED:
        raise NotFound(f"no artifact with the id {str(global_id)[:80]!r}")
    return row


def checked_alias(value: object) -> str:
    """`value` as an alias.

    Raises:
        ApiError: it is empty, too long, looks like a version number, or holds a `/` or a `:`.
    """
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ALIAS or "/" in value or ":" in value:
        raise ApiError(f"not an alias: {value!r}")
    if value[0] == "v" and value[1:].isascii() and value[1:].isdigit():
        raise ApiError(f"{value!r} cannot be an alias: it names a version")
    return value


def _pending(request: Request, global_id: object) -> sqlite3.Row:
    row = find(request, global_id)
    if row["state"] != artifacts.PENDING:
        raise ApiError("this version is committed; it cannot change", CONFLICT)
    return row


def _collection(request: Request, project_id: int, given: Mapping[str, Any]) -> sqlite3.Row:
    names = given.get("artifactCollectionNames") or [given.get("artifactCollectionName")]
    name = checked_name(names[0], "artifact")
    kind = checked_name(given.get("artifactTypeName"), "artifact type")
    row = request.tables.collections.make(project_id, kind, name)
    if row is None:
        raise NotFound(f"no artifact collection {name}")
    if row["type"] != kind:
        raise ApiError(f"the artifact {name!r} has the type {row['type']!r}, not {kind!r}", CONFLICT)
    return row


def _run_of(request: Request, given: Mapping[str, Any]) -> sqlite3.Row | None:
    name = given.get("runName")
    if not name:
        return None
    entity = str(given.get("entityName") or ENTITY)
    return find_run(request.tables, entity, str(given.get("projectName")), str(name))
