"""Artifact manifests: what files a version holds, as the client writes it and as it is kept here.

A manifest is the client's JSON: `{"contents": {path: {"digest": base64 MD5, "size": n, "ref": url}}}`. It comes
whole, or in parts that are put together here. It can name hundreds of thousands of files, so it is read where that
keeps nobody waiting, and its entries come in pages. This module does not know which of the files are here, nor how
a version gets its number.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from launch.server.blobs import Blobs
from launch.server.errors import UNPROCESSABLE, ApiError, TooLarge
from launch.server.limits import MAX_MANIFEST, MAX_UPLOAD
from launch.server.storage.artifacts import Entry
from launch.server.threads import elsewhere
from launch.server.wire import checked_path, loads

PAGE = 500
"""Entries that are looked at in one go."""
LARGE = 1 << 18
"""Bytes (about 1,700 entries) from which on a manifest is read in another process."""
MISSING = "the manifest of this artifact was not uploaded"


class Manifest(NamedTuple):
    """What a version holds.

    Its entries, some a page (as JSON, since they travel between processes); and, where it was put together of
    parts, the digest of the version, computed as the client does it, and the text of the manifest.
    """

    pages: list[str]
    digest: str | None
    text: bytes

    def entries(self) -> Iterator[list[Entry]]:
        """The pages, in the order of the manifest; which blobs the files are is not known yet."""
        return ([Entry(path, None, *rest) for path, *rest in json.loads(page)] for page in self.pages)


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


def read_manifest(blobs: Blobs, names: Sequence[str]) -> Manifest:
    """The manifest that the blobs of these names are, or are the parts of; a later part goes over an earlier one.

    Raises:
        ApiError: one is missing or broken, or all of them hold too much.
    """
    paths = [blobs.path(name) for name in names]
    try:
        size = sum(path.stat().st_size for path in paths)
    except FileNotFoundError as error:
        raise ApiError(MISSING, UNPROCESSABLE) from error
    if size > MAX_MANIFEST:
        raise TooLarge("this manifest", MAX_MANIFEST)
    return elsewhere(parsed, paths) if size > LARGE else parsed(paths)


def parsed(paths: Sequence[Path]) -> Manifest:
    """The manifest in these files, as `read_manifest`.

    Raises:
        ApiError: one of them is missing or broken.
    """
    whole: dict[str, Any] = {}
    contents: dict[str, Any] = {}
    for path in paths:
        whole = _object(path)
        contents |= whole["contents"]
    rows = [_entry(name, entry) for name, entry in contents.items()]
    pages = [json.dumps(rows[start : start + PAGE]) for start in range(0, len(rows), PAGE)]
    if len(paths) == 1:
        return Manifest(pages, None, b"")
    digest = hashlib.md5(b"wandb-artifact-manifest-v1\n", usedforsecurity=False)
    for name, entry in sorted(contents.items()):
        digest.update(f"{name}:{entry.get('digest')}\n".encode())
    return Manifest(pages, digest.hexdigest(), json.dumps({**whole, "contents": contents}).encode())


def _object(path: Path) -> dict[str, Any]:
    try:
        manifest = loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ApiError(MISSING, UNPROCESSABLE) from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("contents"), dict):
        raise ApiError("the manifest of this artifact has no `contents`", UNPROCESSABLE)
    return manifest


def _entry(path: str, entry: Any) -> tuple[str, str | None, int, str | None]:
    """The path, the MD5 in hex (None for a reference), the size and the reference of one file."""
    if not isinstance(entry, dict):
        raise ApiError(f"the manifest entry of {path[:80]!r} is not an object", UNPROCESSABLE)
    size = entry.get("size") or 0
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= MAX_UPLOAD:
        raise ApiError(f"the manifest gives {path[:80]!r} the size {size!r}", UNPROCESSABLE)
    ref = entry.get("ref")
    return checked_path(path), None if ref else md5_hex(entry.get("digest")), size, str(ref) if ref else None
