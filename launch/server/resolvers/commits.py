"""How a version becomes official: every file of its manifest is checked to be here, then it gets its number.

A manifest can name hundreds of thousands of files, and whoever writes keeps all others from writing. So the
manifest is read before anything is written, its entries are stored some at a time, and one short transaction makes
the version official, if it is still what was read.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import NamedTuple

from launch.server.arguments import TEXT
from launch.server.blobs import Blob, Blobs
from launch.server.errors import UNPROCESSABLE, ApiError, Interrupted
from launch.server.graphql import Field, Node
from launch.server.limits import MAX_MANIFEST
from launch.server.manifests import MISSING, PAGE, Manifest, read_manifest
from launch.server.request import Request
from launch.server.resolvers.artifacts import find, find_to_change
from launch.server.resolvers.table import Given, Payload, mutation
from launch.server.storage import artifacts, manifests
from launch.server.storage.arrivals import Held
from launch.server.storage.artifacts import Entry
from launch.server.wire import gid, parse_row_id

SHOWN = 10
"""Problems that an error names; the others are counted."""


class Source(NamedTuple):
    """The blobs that a version's manifest comes from, and the versions whose files it may keep."""

    parts: tuple[str, ...]
    whole: str | None
    """The MD5 of the manifest, if it came as one."""
    bases: tuple[int, ...]


def commit(request: Request, given: Given) -> Payload:
    """Make a version official.

    Raises:
        ApiError: 422, the manifest or a file is missing or of another size.
        Interrupted: something changed meanwhile; the client tries again.
    """
    artifact_id = given.get("artifactID")
    request.hold(request.services.commits.of(parse_row_id("Artifact", artifact_id) or 0))
    with request.aside(writes=False) as look:
        row = find_to_change(look, artifact_id)
        source = _source(look, row) if row["state"] == artifacts.PENDING else None
    if source is not None:
        manifest = read_manifest(request.services.blobs, source.parts)
        with request.aside(writes=False) as look:
            held = _held(look, row, source)
        _must_be_here(chain.from_iterable(manifest.entries()), held, request.services.blobs)
        _store(request, row["id"], manifest, held)
        _finish(request, row["id"], source, manifest, _kept(request.services.blobs, manifest))
    return {"artifact": Node("Artifact", find(request, artifact_id))}


def _source(request: Request, row: sqlite3.Row) -> Source:
    """What the version's manifest is made of: the last that came, or all parts of its kind.

    Raises:
        ApiError: 422, none came, or the version that it adds to is gone.
    """
    here = request.tables.manifests.here(row["id"])
    if not here:
        raise ApiError(MISSING, UNPROCESSABLE)
    last = here[-1]
    bases = [base for part in here if (base := _base(request, part)) is not None]
    known = tuple(base["id"] for base in bases)
    if last["kind"] == manifests.FULL:
        return Source((last["blob"],), last["digest"], known)
    parts = [part["blob"] for part in here if part["kind"] == last["kind"]]
    if last["kind"] == manifests.INCREMENTAL and last["base_id"] is not None:
        base = _base(request, last)
        if base is None or not base["manifest_blob"]:
            raise ApiError("the version that this one adds to is not on this server any more", UNPROCESSABLE)
        parts.insert(0, base["manifest_blob"])
    return Source(tuple(parts), None, known)


def _base(request: Request, manifest: sqlite3.Row) -> sqlite3.Row | None:
    """The version that a manifest begins with, if the caller sees it."""
    row = None if manifest["base_id"] is None else request.tables.artifacts.by_id(manifest["base_id"])
    return row if row is not None and request.sees_version(row) else None


def _held(request: Request, row: sqlite3.Row, source: Source) -> Mapping[str, Held]:
    """The bytes that count for an MD5 in a version's manifest: what was sent for it, else what its base holds.

    That another version holds bytes with this MD5 tells nothing: they may be others, and planted.
    """
    kept = [request.tables.artifacts.held(base) for base in reversed(source.bases)]
    sent = request.tables.arrivals.of(row["id"], request.caller.user_id)
    return {md5: held for known in (*kept, sent) for md5, held in known.items()}


def _must_be_here(entries: Iterable[Entry], held: Mapping[str, Held], blobs: Blobs) -> None:
    """Let pass what is whole. The age of the files starts anew, so that nobody prunes them now."""
    problems = [problem for entry in entries if (problem := _problem(entry, held, blobs.renew))]
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise ApiError(f"this artifact is not complete: {'; '.join(problems[:SHOWN])}{more}", UNPROCESSABLE)


def _problem(entry: Entry, held: Mapping[str, Held], renew: Callable[[str], bool]) -> str | None:
    if entry.md5 is None:
        return None
    found = held.get(entry.md5)
    if found is None or not renew(found.blob):
        return f"{entry.path}: not uploaded"
    return (
        None if found.size == entry.size else f"{entry.path}: {found.size} bytes, the manifest says {entry.size}"
    )


def _store(request: Request, key: int, manifest: Manifest, held: Mapping[str, Held]) -> None:
    """Store the entries, page by page, in place of those of an attempt that broke off.

    Raises:
        Interrupted: the version is not pending any more.
        ApiError: 422, a file was pruned.
    """
    left = True
    while left:
        with request.aside(writes=True) as turn:
            _must_be_pending(turn, key)
            turn.tables.artifacts.set(key)  # `prune` takes a version that was touched lately for one in the making
            left = turn.tables.artifacts.clear(key, PAGE)
    for entries in manifest.entries():
        named = [entry._replace(blob=held[entry.md5].blob) if entry.md5 else entry for entry in entries]
        with request.aside(writes=True) as turn:
            _must_be_pending(turn, key)
            _must_be_here(entries, held, request.services.blobs)
            turn.tables.artifacts.add_entries(key, named)


def _kept(blobs: Blobs, manifest: Manifest) -> Blob | None:
    """The manifest that was put together, stored; None for one that came whole."""
    if manifest.digest is None:
        return None
    with blobs.incoming(MAX_MANIFEST) as incoming:
        incoming.write(manifest.text)
        return incoming.keep()


def _finish(request: Request, key: int, source: Source, manifest: Manifest, made: Blob | None) -> None:
    """Give a version its number and its aliases, if it still is what was read.

    Raises:
        Interrupted: it is not.
    """
    tables = request.tables
    row = find_to_change(request, gid("Artifact", key))
    _must_be_pending(request, key)
    if _source(request, row) != source:
        raise Interrupted("another manifest came meanwhile")
    if made is None:
        tables.artifacts.set(key, manifest_digest=source.whole, manifest_blob=source.parts[0])
    elif request.services.blobs.renew(made.name):
        tables.artifacts.set(key, manifest_digest=made.md5, manifest_blob=made.name, digest=manifest.digest)
    else:
        raise Interrupted("the manifest was deleted meanwhile")
    tables.artifacts.commit(key, tables.memberships.add(row["collection_id"], key))
    for alias in json.loads(row["pending_aliases"]):
        tables.collections.set_alias(row["collection_id"], alias, key)


def _must_be_pending(request: Request, key: int) -> None:
    row = request.tables.artifacts.by_id(key)
    if row is None or row["state"] != artifacts.PENDING:
        raise Interrupted("this version was committed or deleted meanwhile")


MUTATIONS: dict[str, Field] = {"commitArtifact": mutation(commit, artifactID=TEXT, alone=True)}
