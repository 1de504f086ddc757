"""Artifact manifests: what files a version holds, and whether all of them are here.

A manifest is the client's JSON: `{"contents": {path: {"digest": base64 MD5, "size": n, "ref": url}}}`. It comes
whole, or in parts that are put together here. This module does not know how a version gets its number.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from launch.server.blobs import Blob, Blobs
from launch.server.errors import UNPROCESSABLE, ApiError
from launch.server.limits import MAX_MANIFEST, MAX_UPLOAD
from launch.server.storage.arrivals import Held
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


def read_manifest(blobs: Blobs, name: str, held: Callable[[str], Held | None]) -> list[Entry]:
    """The entries of an uploaded manifest; `held` gives the bytes that count for an MD5, if they are here.

    Raises:
        ApiError: the manifest is missing or broken, or a file is missing or has another size (all of them named).
    """
    told = [_entry(path, entry) for path, entry in _parsed(blobs, name)["contents"].items()]
    here = {md5: held(md5) for md5 in {entry.md5 for entry in told} if md5 is not None}
    if problems := list(_problems(here, told)):
        shown = "; ".join(problems[:10])
        more = f"; and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise ApiError(f"this artifact is not complete: {shown}{more}", UNPROCESSABLE)
    return [entry._replace(blob=found.blob) if (found := here.get(entry.md5 or "")) else entry for entry in told]


def put_together(blobs: Blobs, parts: Iterable[str]) -> tuple[Blob, str]:
    """Store the manifest that holds what all parts hold, and return it and the digest of the version.

    A later part goes over an earlier one. The digest is computed as the client computes it from a whole manifest.

    Raises:
        ApiError: a part is missing or broken, or all of them hold too much.
    """
    whole: dict[str, Any] = {}
    contents: dict[str, Any] = {}
    for name in parts:
        whole = _parsed(blobs, name)
        contents |= whole["contents"]
    digest = hashlib.md5(b"wandb-artifact-manifest-v1\n", usedforsecurity=False)
    for path, entry in sorted(contents.items()):
        digest.update(f"{path}:{entry.get('digest') if isinstance(entry, dict) else None}\n".encode())
    with blobs.incoming(MAX_MANIFEST) as incoming:
        incoming.write(json.dumps({**whole, "contents": contents}).encode())
        return incoming.keep(), digest.hexdigest()


def _parsed(blobs: Blobs, name: str) -> dict[str, Any]:
    try:
        manifest = loads(blobs.read(name, MAX_MANIFEST))
    except FileNotFoundError as error:
        raise ApiError("the manifest of this artifact was not uploaded", UNPROCESSABLE) from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("contents"), dict):
        raise ApiError("the manifest of this artifact has no `contents`", UNPROCESSABLE)
    return manifest


def _entry(path: str, entry: Any) -> Entry:
    if not isinstance(entry, dict):
        raise ApiError(f"the manifest entry of {path[:80]!r} is not an object", UNPROCESSABLE)
    size = entry.get("size") or 0
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= MAX_UPLOAD:
        raise ApiError(f"the manifest gives {path[:80]!r} the size {size!r}", UNPROCESSABLE)
    ref = entry.get("ref")
    md5 = None if ref else md5_hex(entry.get("digest"))
    return Entry(checked_path(path), None, md5, size, str(ref) if ref else None)


def _problems(here: Mapping[str, Held | None], entries: list[Entry]) -> Iterator[str]:
    for entry in entries:
        if entry.md5 is None:
            continue
        held = here[entry.md5]
        if held is None:
            yield f"{entry.path}: not uploaded"
        elif held.size != entry.size:
            yield f"{entry.path}: {held.size} bytes, the manifest says {entry.size}"
