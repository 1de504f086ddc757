"""How an archive lies on the disk: a tar file in zstd frames, and an index that `zstd` skips.

    frame · frame · … · frames of the manifest · index
    └────────── a tar file ─────────────────┘

Every frame can be unpacked by itself, so that a kill costs the frame that was being written, and a damaged byte
those members that share one. The index is a skippable frame (RFC 8878, 3.1.2): where the manifest is, with a
digest of it, and a digest of the index itself. So each byte of the file is covered by a digest that is covered by
the next one. Knows no tracker.
"""

import hashlib
import json
import struct
import tarfile
from collections.abc import Mapping
from typing import Any, NamedTuple

FORMAT = 1
"""Number of the format that this version writes, and the newest one that it reads."""
LEVEL = 3
"""Level of compression; that of `zstd` without an option."""
FRAME, LARGEST = 256 * 1024, 4 * 1024 * 1024
"""Bytes (unpacked) from which on a frame is closed between members, and up to which one may grow."""
BLOCK = tarfile.BLOCKSIZE
BLOBS = "blobs/"
README, HEAD, MANIFEST = "README.txt", "archive.json", "manifest.jsonl"
ZSTD_MAGIC = bytes.fromhex("28b52ffd")
SKIPPABLE = 0x184D2A5A
MARK = b"SASHIKO\n"
TAIL = struct.Struct("<32sI8s")
"""The end of the file: SHA-256 of the index, its bytes, the mark."""
START = struct.Struct("<II")
_USTAR = struct.Struct("100s8s8s8s12s12s8sc100s6s2s32s32s8s8s167s")
_MOST_PLAIN, _MOST_NAME = 8 * 1024**3, 100


class Frame(NamedTuple):
    """One piece of the file: where it begins, its bytes, those of what is in it, and the digest of the piece."""

    offset: int
    size: int
    raw: int
    sha256: str


class Member(NamedTuple):
    """One file of the archive: its path, bytes, digest, and where in the tar file its bytes begin."""

    path: str
    size: int
    sha256: str
    at: int


README_TEXT = """\
An archive of sweeps, runs and artifacts, written by Sashiko. It needs no Sashiko to be read:

    tar --zstd -tf FILE.tar.zst                       what is in it
    tar --zstd -xf FILE.tar.zst                       unpack it
    tar --zstd -xOf FILE.tar.zst archive.json         what was archived, from where, when

archive.json            the tracker, the project or sweep, the version that wrote this, notes
project.json            the project: name, description
sweeps/ID/sweep.json    a sweep: state, method, metric, times; `definition` is its text as the tracker has it
sweeps/ID/points-1.jsonl
                        a JSON object a line for each point: number, arguments, state, the run that holds it
runs/ID/run.json        a run: names, group, tags, notes, job type, state, config, summary, times, sweep, point,
                        files (path, MD5, bytes, SHA-256), the artifacts that it made and used
runs/ID/history-1.jsonl the rows that the run logged, a JSON object a line, as they were sent; long ones go on
                        in history-2.jsonl, history-3.jsonl … NaN and Infinity stand bare. Where lines are not
                        numbered on from 0, history-1.lines.json has their numbers
runs/ID/events-1.jsonl  system metrics, likewise
runs/ID/console-1.jsonl what the run printed: a JSON string a line
artifacts/NAME/vN.json  a version of an artifact: type, aliases, tags, metadata, digest, which run made it, which
                        runs used it, its files (path, MD5, bytes, SHA-256, or a reference)
blobs/SHA256            the bytes of the files of runs and artifacts, once for each digest
manifest.jsonl          the SHA-256 and the bytes of every member, and of every piece of this file

Times are seconds since 1970, UTC. The environment, the code and the data of a run are in its config and in the
artifacts of the type `provenance`. `sashiko verify FILE` checks every digest, `sashiko restore FILE` puts the
whole into another server.
"""


def header(name: str, size: int, moment: int) -> bytes:
    """The tar header of a member (ustar; pax where the name or the size does not fit)."""
    text = name.encode()
    if len(text) > _MOST_NAME or size >= _MOST_PLAIN:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = size, moment, 0o644
        return info.tobuf(tarfile.PAX_FORMAT)
    fields = (
        text, b"0000644\0", b"0000000\0", b"0000000\0", b"%011o\0" % size, b"%011o\0" % moment, b" " * 8, b"0",
        b"", b"ustar\0", b"00", b"", b"", b"0000000\0", b"0000000\0", b"",
    )  # fmt: skip
    block = _USTAR.pack(*fields)
    return b"%b%06o\0 %b" % (block[:148], sum(block), block[156:])


def padding(size: int) -> bytes:
    """What follows the bytes of a member up to the next block."""
    return b"\0" * (-size % BLOCK)


def index(told: Mapping[str, Any]) -> bytes:
    """The index as the last bytes of the file."""
    text = json.dumps(told, separators=(",", ":")).encode()
    return START.pack(SKIPPABLE, len(text) + TAIL.size) + text + TAIL.pack(_digest(text), len(text), MARK)


def read_index(end: bytes) -> tuple[dict[str, Any], int] | None:
    """What the index at the end of these bytes tells, and how long it is; None where it is damaged.

    Raises:
        ValueError: there is none, or more bytes are needed.
    """
    if len(end) < TAIL.size or not end.endswith(MARK):
        raise ValueError("no mark")
    digest, size, _ = TAIL.unpack(end[-TAIL.size :])
    whole = START.size + size + TAIL.size
    if whole > len(end):
        raise ValueError("cut off")
    text = end[-TAIL.size - size : -TAIL.size]
    if _digest(text) != digest:
        return None
    told = json.loads(text)
    return (told, whole) if index(told) == end[-whole:] else None


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
