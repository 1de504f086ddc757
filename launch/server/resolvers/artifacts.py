"""How a version of an artifact comes to be: created, its files and manifest announced; and its use.

A version whose digest its collection already holds is not stored again: the client is told that it is here.
Several runs can make one version together (`distributedID`), and a version can add to an earlier one (an
incremental manifest). How it becomes official is `commits`.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence

from launch.server.arguments import ALIASES, FLAG, JSON, TAGS, TEXT, TEXTS, WHOLE, Shape
from launch.server.errors import CONFLICT, ApiError, NotFound
from launch.server.graphql import Field, Node
from launch.server.manifests import md5_hex
from launch.server.request import Request
from launch.server.resolvers.artifact_nodes import blob_path, pending_manifest
from launch.server.resolvers.artifact_queries import version
from launch.server.resolvers.table import Given, Payload, mutation
from launch.server.storage import artifacts, manifests
from launch.server.wire import checked_name, checked_path, dumps, gid, json_object, parse_row_id

MAX_ALIAS = 128
AT_ONCE = 200
"""Files that one transaction looks at: meanwhile nobody else writes."""
INHERIT, NEVER = -1, -2
"""What a client sends for a time to live: as the collection has it (here: none), or none."""


def create(request: Request, given: Given) -> Payload:
    """Begin a version, or point at the committed one that already holds the same.

    Raises:
        ApiError: the name belongs to a collection of another type, or an alias cannot be one.
    """
    tables = request.tables
    if given.get("storageRegion") not in (None, "", "default"):
        raise ApiError(f"this server keeps artifacts in one place: there is no region {given['storageRegion']!r}")
    project, _ = request.made_project(given.get("entityName"), given.get("projectName"))
    request.must_have_room(project["id"])
    collection = _collection(request, project["id"], given)
    run = _run_of(request, given)
    aliases = [checked_alias(item.get("alias")) for item in given.get("aliases") or []]
    row = _known(request, collection["id"], given)
    if row is None:
        key = _add(request, collection["id"], given, run)
    else:
        key = row["id"]
        if given.get("clientID"):
            tables.artifacts.set(key, client_id=given["clientID"])
    if row is not None and row["state"] == artifacts.COMMITTED:
        for alias in aliases:
            tables.collections.set_alias(collection["id"], alias, key)
    elif aliases:
        waiting = json.loads(find(request, gid("Artifact", key))["pending_aliases"])
        tables.artifacts.set(key, pending_aliases=json.dumps(list(dict.fromkeys(waiting + aliases))))
    if run is not None:
        tables.artifacts.link(run["id"], key, "made")
    return {"artifact": Node("Artifact", find(request, gid("Artifact", key)))}


def _known(request: Request, collection_id: int, given: Given) -> sqlite3.Row | None:
    """The version that is meant and is here already: begun by another run, or with the same digest."""
    if given.get("distributedID"):
        return request.tables.artifacts.by_distributed_id(collection_id, str(given["distributedID"]))
    if given.get("enableDigestDeduplication"):
        return request.tables.memberships.by_digest(collection_id, str(given.get("digest") or ""))
    return None


def _add(request: Request, collection_id: int, given: Given, run: sqlite3.Row | None) -> int:
    digest = str(given.get("digest") or "")
    return request.tables.artifacts.add(
        collection_id,
        digest,
        description=given.get("description"),
        metadata=None if given.get("metadata") is None else dumps(json_object(given["metadata"], "metadata")),
        ttl=checked_ttl(given.get("ttlDurationSeconds")),
        run_id=run["id"] if run is not None else None,
        history_step=given.get("historyStep"),
        client_id=given.get("clientID"),
        sequence_client_id=given.get("sequenceClientID"),
        distributed_id=given.get("distributedID"),
        tags=json.dumps([str(tag.get("tagName")) for tag in given.get("tags") or []]),
        commit_hash=hashlib.sha256(f"{collection_id}/{digest}".encode()).hexdigest()[:20],
    )


def create_manifest(request: Request, given: Given) -> Payload:
    """Announce a manifest of a version: the whole one, a part, or what is to be added to an earlier version."""
    row = _pending(request, given.get("artifactID"))
    request.must_have_room(row["project_id"])
    kind = given.get("type") or manifests.FULL
    if kind not in manifests.KINDS:
        raise ApiError(f"a manifest is one of {', '.join(manifests.KINDS)}, not {kind!r}")
    base = find(request, given["baseArtifactID"])["id"] if given.get("baseArtifactID") else None
    digest = md5_hex(given["digest"]) if given.get("digest") else None
    key = request.tables.manifests.add(row["id"], kind, base, digest)
    return {"artifactManifest": pending_manifest(request, row, key, digest)}


def update_manifest(request: Request, given: Given) -> Payload:
    """Announce the digest of a manifest that was begun without one.

    Raises:
        NotFound: there is no such manifest.
    """
    key = parse_row_id("ArtifactManifest", given.get("artifactManifestID"))
    manifest = request.tables.manifests.by_id(key) if key is not None else None
    row = None if manifest is None else version(request, gid("Artifact", manifest["artifact_id"]))
    if manifest is None or row is None:
        raise NotFound("there is no such manifest, or its artifact is committed")
    row = _pending(request, gid("Artifact", row["id"]))
    digest = md5_hex(given.get("digest"))
    request.tables.manifests.announce(manifest["id"], digest)
    return {"artifactManifest": pending_manifest(request, row, manifest["id"], digest)}


def create_files(request: Request, given: Given) -> Payload:
    """Where to send each file, in the order asked; no address for what is already here."""
    files = given.get("artifactFiles") or []
    edges: list[Payload] = []
    for start in range(0, len(files), AT_ONCE):
        with request.aside(writes=True) as turn:
            edges += [{"node": node} for node in _files_of(turn, files[start : start + AT_ONCE])]
    return {"files": {"edges": edges}}


def _files_of(request: Request, files: Sequence[Given]) -> Iterator[Payload]:
    rows: dict[object, sqlite3.Row] = {}
    for item in files:
        artifact_id = item.get("artifactID")
        row = rows.get(artifact_id)
        if row is None:
            row = rows[artifact_id] = _pending(request, artifact_id)
            request.must_have_room(row["project_id"])
        md5 = md5_hex(item.get("md5"))
        name = checked_path(item.get("name"))
        address = blob_path(row["id"], md5, name)
        here = _is_here(request, row["id"], md5)
        yield {
            "name": name,
            "displayName": name,
            "storagePath": f"wandb_artifacts/{md5}",
            "uploadUrl": None if here else request.upload_url(address),
            "uploadHeaders": [],
            "uploadMultipartUrls": None,
            "artifact": {"id": artifact_id},
        }


def _is_here(request: Request, artifact_id: int, md5: str) -> bool:
    """Whether the caller has sent these bytes before, so that they need not be sent again; else they are expected.

    That somebody else has sent bytes with this MD5 tells nothing: they may be others, and not the caller's to see.
    """
    arrivals = request.tables.arrivals
    own = arrivals.own(request.caller.user_id, md5, artifact_id)
    arrivals.expect(artifact_id, md5, request.caller.user_id)
    if own is None or not request.services.blobs.renew(own.blob):
        return False
    return arrivals.arrived(artifact_id, md5, request.caller.user_id, own)


def use(request: Request, given: Given) -> Payload:
    """Note that a run uses a version."""
    row = find(request, given.get("artifactID"))
    run = _run_of(request, given)
    if run is None:
        raise NotFound(f"no run {given.get('projectName')}/{given.get('runName')}")
    request.tables.artifacts.link(run["id"], row["id"], "used")
    return {"artifact": Node("Artifact", row)}


def find(request: Request, global_id: object) -> sqlite3.Row:
    """The version with a global id.

    Raises:
        NotFound: there is none, or it was deleted.
    """
    row = version(request, global_id)
    if row is None:
        raise NotFound(f"no artifact with the id {str(global_id)[:80]!r}")
    return row


def find_to_change(request: Request, global_id: object) -> sqlite3.Row:
    """The version with a global id, for changes.

    Raises:
        NotFound: there is none, or it was deleted.
        ApiError: 403, the caller may only read it.
    """
    row = find(request, global_id)
    request.must_change(row["project_id"])
    return row


def checked_ttl(value: object) -> int | None:
    """`value` as a time to live in seconds; None is "as the collection has it".

    Raises:
        ApiError: it is neither a positive whole number nor one of the two that stand for none.
    """
    if value in (None, INHERIT):
        return None
    if isinstance(value, bool) or not isinstance(value, int) or (value <= 0 and value != NEVER):
        raise ApiError(f"not a time to live in seconds: {value!r}")
    return value


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
    row = find_to_change(request, global_id)
    if row["state"] != artifacts.PENDING:
        raise ApiError("this version is committed; it cannot change", CONFLICT)
    return row


def _collection(request: Request, project_id: int, given: Given) -> sqlite3.Row:
    names = given.get("artifactCollectionNames") or [given.get("artifactCollectionName")]
    name = checked_name(names[0], "artifact")
    kind = checked_name(given.get("artifactTypeName"), "artifact type")
    row = request.tables.collections.make(project_id, kind, name)
    if row is None:
        raise NotFound(f"no artifact collection {name}")
    if row["portfolio"]:
        raise ApiError(f"{name!r} holds links to artifacts; log this one under another name", CONFLICT)
    if row["type"] != kind:
        raise ApiError(f"the artifact {name!r} has the type {row['type']!r}, not {kind!r}", CONFLICT)
    return row


def _run_of(request: Request, given: Given) -> sqlite3.Row | None:
    name = given.get("runName")
    if not name:
        return None
    return request.run_at(given.get("entityName"), given.get("projectName"), name)


FILE = Shape({"artifactID": TEXT, "artifactManifestID": TEXT, "name": TEXT, "md5": TEXT}, many=True)
MUTATIONS: dict[str, Field] = {
    "createArtifact": mutation(
        create,
        dict.fromkeys(
            (
                "entityName", "projectName", "runName", "artifactTypeName", "artifactCollectionName", "digest",
                "description", "clientID", "sequenceClientID", "distributedID", "storageRegion",
            ),
            TEXT,
        ),
        artifactCollectionNames=TEXTS, aliases=ALIASES, tags=TAGS, metadata=JSON, ttlDurationSeconds=WHOLE,
        historyStep=WHOLE, enableDigestDeduplication=FLAG,
    ),
    "createArtifactManifest": mutation(
        create_manifest, artifactID=TEXT, baseArtifactID=TEXT, digest=TEXT, type=TEXT, name=TEXT
    ),
    "updateArtifactManifest": mutation(update_manifest, artifactManifestID=TEXT, digest=TEXT),
    "createArtifactFiles": mutation(create_files, artifactFiles=FILE, alone=True),
    "useArtifact": mutation(use, artifactID=TEXT, entityName=TEXT, projectName=TEXT, runName=TEXT),
}  # fmt: skip
