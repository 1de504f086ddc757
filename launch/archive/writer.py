"""Writes an archive: members go in, frames go out; what was written survives a kill or a full disk.

What is compressed is at most a few frames at a time, in a thread of its own, while the next members come. Knows no
tracker.
"""

import errno
import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from launch.archive.errors import ArchiveError
from launch.archive.journal import Journal
from launch.archive.layout import (
    BLOBS,
    FORMAT,
    FRAME,
    HEAD,
    LARGEST,
    LEVEL,
    MANIFEST,
    README,
    README_TEXT,
    Frame,
    header,
    index,
    padding,
)

WORKERS = 2
AHEAD = 4
"""Frames that are being compressed while members come."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
Packed = tuple[bytes, str]


class Writer:
    """One archive while it is written. As a context manager: left by an error, what is whole stays.

    `at` is how far an earlier call was, as it was told to `reached`; None for a new one.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], head: Mapping[str, Any], *, force: bool) -> None:
        """`identity`: what makes it this archive; `head`: what else is told of it, once it begins.

        Raises:
            ArchiveError: the target is there, cannot be written, or an unfinished one is of something else.
        """
        self.path = path
        self.partial = path.with_name(f"{path.name}.partial")
        self._journal = Journal(path.with_name(f"{path.name}.partial.jsonl"))
        self._moment = int(time.time())
        self._chunks: list[bytes] = []
        self._raw = 0
        self._members: list[tuple[str, int, str | bytes, int]] = []
        self._pool = ThreadPoolExecutor(WORKERS)
        self._ahead: deque[tuple[int, Future[Packed], list[tuple[str, int, str | bytes, int]], Any]] = deque()
        self._blobs: set[str] = set()
        self.counts = {"members": 0, "bytes": 0}
        self._prepare(force)
        try:
            self.at = self._journal.begin(identity, self.partial)
            self._file = self.partial.open("ab", buffering=0)
        except OSError as error:
            raise _refused(self.partial, error) from error
        self._offset = self._file.tell()
        self._position = sum(frame.raw for frame in self._journal.frames())
        for member in self._journal.members():
            self._count(member.path, member.size)
        if self.at is None:
            self.add(README, README_TEXT.encode())
            self.add(HEAD, json.dumps({"format": FORMAT, **identity, **head}, indent=1).encode())

    def _prepare(self, force: bool) -> None:
        if self.path.exists() and not force:
            raise ArchiveError(f"{self.path} is there already: give another FILE, or --force to write it anew")
        if force:
            for file in (self.partial, self._journal.path):
                file.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        try:
            self._file.close()
        except OSError:
            pass
        finally:
            self._journal.close()

    def _count(self, name: str, size: int) -> None:
        self.counts["members"] += 1
        self.counts["bytes"] += size
        if name.startswith(BLOBS):
            self._blobs.add(name)

    def has_blob(self, digest: str) -> bool:
        """Whether the bytes with this SHA-256 are in it."""
        return BLOBS + digest in self._blobs

    def add(self, name: str, data: bytes) -> None:
        """Put a small member in.

        Raises:
            ArchiveError: the disk is full.
        """
        if len(data) > LARGEST:
            self.add_stream(name, len(data), [data])
            return
        at = self._put(header(name, len(data), self._moment)) + self._position
        self._put(data, padding(len(data)))
        self._members.append((name, len(data), data, at))
        self._count(name, len(data))

    def add_stream(self, name: str, size: int, chunks: Iterable[bytes]) -> str:
        """Put a member of so many bytes in, as they come; its SHA-256.

        Raises:
            ArchiveError: other than so many bytes come, or the disk is full.
        """
        at = self._put(header(name, size, self._moment)) + self._position
        digest, left = hashlib.sha256(), size
        for chunk in chunks:
            left -= len(chunk)
            digest.update(chunk)
            for start in range(0, len(chunk), LARGEST):
                self._put(chunk[start : start + LARGEST])
                if self._raw >= LARGEST:
                    self._cut(None)
        if left:
            raise ArchiveError(f"{name}: {size - left:,} bytes came, {size:,} were told")
        self._put(padding(size))
        self._members.append((name, size, digest.hexdigest(), at))
        self._count(name, size)
        return digest.hexdigest()

    def _put(self, *chunks: bytes) -> int:
        """Add bytes; how many the open frame has then."""
        for chunk in chunks:
            self._chunks.append(chunk)
            self._raw += len(chunk)
        return self._raw

    def names(self, start: str) -> list[str]:
        """The members of an earlier call whose names start so."""
        return [member.path for member in self._journal.members() if member.path.startswith(start)]

    def reached(self, at: Callable[[], dict[str, Any]]) -> None:
        """Everything up to a place is in; from there a later call may go on. `at` tells the place, if it is kept.

        Raises:
            ArchiveError: the disk is full.
        """
        if self._raw >= FRAME:
            self._cut(at())

    def _cut(self, at: dict[str, Any] | None) -> None:
        """Close the frame and have it compressed; write those that are ready."""
        chunks, members = self._chunks, self._members
        self._ahead.append((self._raw, self._pool.submit(self._packed, chunks, members), members, at))
        self._position += self._raw
        self._chunks, self._members, self._raw = [], [], 0
        while len(self._ahead) > AHEAD:
            self._write()

    def _packed(self, chunks: list[bytes], members: list[tuple[str, int, str | bytes, int]]) -> Packed:
        for place, (name, size, told, at) in enumerate(members):
            if isinstance(told, bytes):
                members[place] = (name, size, hashlib.sha256(told).hexdigest(), at)
        packed = _compressed(b"".join(chunks))
        return packed, hashlib.sha256(packed).hexdigest()

    def _save(self, data: bytes) -> None:
        """Without a buffer: what a full disk does not take is not tried again at the end."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]

    def _write(self) -> None:
        raw, future, members, at = self._ahead.popleft()
        packed, digest = future.result()
        try:
            self._save(packed)
            self._journal.write(frame=Frame(self._offset, len(packed), raw, digest))
            for member in members:
                self._journal.write(member=member)
            if at is not None:
                self._journal.write(at=at)
            self._journal.flush()
        except OSError as error:
            raise _refused(self.partial, error) from error
        self._offset += len(packed)

    def finish(self, at: Mapping[str, Any], told: Mapping[str, Any]) -> int:
        """Write what is left, the manifest and the index, and give the file its name; its bytes.

        `at`: the last place; `told`: what the manifest tells of the whole.

        Raises:
            ArchiveError: the disk is full; the same command goes on.
        """
        self._cut(dict(at))
        while self._ahead:
            self._write()
        try:
            self._end(told)
            os.fsync(self._file.fileno())
            self._file.close()
            self.partial.replace(self.path)
        except OSError as error:
            raise _refused(self.partial, error) from error
        self._journal.close()
        self._journal.path.unlink(missing_ok=True)
        return self.path.stat().st_size

    def _end(self, told: Mapping[str, Any]) -> None:
        size = sum(len(line) for line in self._manifest(told))
        raw = self._position + len(header(MANIFEST, size, self._moment))
        frames, digest = [], hashlib.sha256()
        for block in self._blocks(told, size):
            packed = _compressed(block)
            self._save(packed)
            digest.update(packed)
            frames.append([self._offset, len(packed), len(block)])
            self._offset += len(packed)
        place = {"at": raw, "bytes": size, "frames": frames, "sha256": digest.hexdigest()}
        self._save(index({"sashiko_archive": FORMAT, "manifest": place}))

    def _blocks(self, told: Mapping[str, Any], size: int) -> Iterable[bytes]:
        """The manifest as a member and the end of the tar file, in pieces."""
        pieces, have = [header(MANIFEST, size, self._moment)], 0
        for line in self._manifest(told):
            pieces.append(line)
            have += len(line)
            if have >= LARGEST:
                yield b"".join(pieces)
                pieces, have = [], 0
        yield b"".join([*pieces, padding(size), b"\0" * 1024])

    def _manifest(self, told: Mapping[str, Any]) -> Iterable[bytes]:
        yield json.dumps({"archive": {"format": FORMAT, **told, **self.counts}}).encode() + b"\n"
        yield from self._journal.told()


def _compressed(data: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd", compression_level=LEVEL).compress(data, asbytes=True)
    return packed


def _refused(path: Path, error: OSError) -> ArchiveError:
    if error.errno in FULL:
        return ArchiveError(
            f"{path}: no room is left ({error.strerror}); what is written stays: make room, and the same command "
            "goes on where it was"
        )
    return ArchiveError(f"{path} cannot be written: {error.strerror or error}")
