"""Artifact manifests: what files a version holds, and whether all of them are here.

A manifest is the client's JSON: `{"contents": {path: {"digest": base64 MD5, "size": n, "ref": url}}}`. It comes
whole, or in parts that are put together here. This module does not know how a version gets its number.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from launch.server.blobs import Blobs
from launch.server.errors import UNPROCESSABLE, ApiError
from launch.server.limits import MAX_MANIFEST
from launch.server.storage.artifacts import Entry
from launch.server.wire import checked_path, loads


def md5_hex(digest: object) -> str:
    """The client's base64 MD5 as 32 hexadecimal digits.

    Raises:
        ApiError: it is none.
    """
    try:
        raw = base64.b64decode(str(digest), validate=True)
    except binascii.Error as error:
        raise ApiError(f"not a base64 MD5 digest: {str(digest)[:80]!r}") from error
    if len(raw) != 16:
        raise ApiError(f"not an MD5 digest: {str(digest)[:80]!r}")
    return raw.hex()


def md5_base64(digest: str) -> str:
    """The inverse of `md5_hex`."""
    return base64.b64encode(bytes.fromhex(digest)).decode()


def read_manifest(blobs: Blobs, md5: str) -> list[Entry]:
    """The entries of an uploaded manifest, each file checked to be here with its size.

    Raises:
        ApiError: the manifest is missing or broken, or a file is missing or has another size (all of them named).
    """
    entries = [_entry(path, entry) for path, entry in _parsed(blobs, md5)["contents"].items()]
    if problems := list(_problems(blobs, entries)):
        shown = "; ".join(problems[:10])
        more = f"; and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise ApiError(f"this artifact is not complete: {shown}{more}", UNPROCESSABLE)
    return entries


def put_together(blobs: Blobs, parts: Iterable[str]) -> tuple[str, str]:
    """Store the manifest that holds what all parts hold, and return its MD5 and the digest of the version.

    A later part goes over an earlier one. The digest is computed as the client computes it from a whole manifest.

    Raises:
        ApiError: a part is missing or broken, or all of them hold too much.
    """
    whole: dict[str, Any] = {}
    contents: dict[str, Any] = {}
    for md5 in parts:
        whole = _parsed(blobs, md5)
        contents |= whole["contents"]
    digest = hashlib.md5(b"wandb-artifact-manifest-v1\n", usedforsecurity=False)
    for path, entry in sorted(contents.items()):
        digest.update(f"{path}:{entry.get('digest') if isinstance(entry, dict) else None}\n".encode())
    with blobs.incoming(MAX_MANIFEST) as incoming:
        incoming.write(json.dumps({**whole, "contents": contents}).encode())
        return incoming.keep().md5, digest.hexdigest()


def _parsed(blobs: Blobs, md5: str) -> dict[str, Any]:
    try:
        manifest = loads(blobs.read(md5, MAX_MANIFEST))
    except FileNotFoundError as error:
        raise ApiError("the manifest of this artifact was not uploaded", UNPROCESSABLE) from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("contents"), dict):
        raise ApiError("the manifest of this artifact has no `contents`", UNPROCESSABLE)
    return manifest


def _entry(path: str, entry: Any) -> Entry:
    if not isinstance(entry, dict):
        raise ApiError(f"the manifest entry of {path[:80]!r} is not an object", UNPROCESSABLE)
    size = entry.get("size") or 0
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ApiError(f"the manifest gives {path[:80]!r} the size {size!r}", UNPROCESSABLE)
    ref = entry.get("ref")
    return (checked_path(path), None if ref else md5_hex(entry.get("digest")), size, str(ref) if ref else None)


def _problems(blobs: Blobs, entries: list[Entry]) -> Iterator[str]:
    for path, md5, size, _ in entries:
        if md5 is None:
            continue
        stored = blobs.size(md5)
        if stored is None:
            yield f"{path}: not uploaded"
        elif stored != size:
            yield f"{path}: {stored} bytes, the manifest says {size}"
