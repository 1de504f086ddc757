"""Files on the disk, named by the SHA-256 of what they hold: the same bytes are stored once.

The `wandb` client names files by their MD5, which can be made to collide; here MD5 catches damage on the way, and
never finds a file. (Files that an older version of this server stored keep their names, which are MD5s.) A file
appears under its name only when it is whole: it is written beside, synced to the disk, and renamed. This module
does not know which run or artifact a file belongs to.
"""

import contextlib
import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from launch.server.errors import TOO_LARGE, UNPROCESSABLE, ApiError, DiskFull, TooLarge

_NAME = re.compile(r"[0-9a-f]{64}|[0-9a-f]{32}")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Blob:
    """What was stored: its `name`, `md5` in hex, `size` in bytes."""

    name: str
    md5: str
    size: int


class Blobs:
    """A folder of content-addressed files.

    `tidy`: what has only half arrived is left over from a server that was killed, as no other one is at work.
    """

    def __init__(self, folder: Path, *, tidy: bool = True) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        for leftover in self._incoming.iterdir() if tidy else ():
            leftover.unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Where a blob is, or would be.

        Raises:
            ApiError: it cannot be the name of one.
        """
        if not _NAME.fullmatch(name):
            raise ApiError(f"not a digest: {name[:40]!r}")
        return self.folder / name[:2] / name

    def renew(self, name: str) -> bool:
        """Whether a blob is here; if so its age starts anew.

        To be called in the transaction that stores the name: `upkeep.prune` deletes in transactions of its own, so
        that it either sees the name, or has been there before.
        """
        try:
            os.utime(self.path(name))
        except FileNotFoundError:
            return False
        return True

    def is_whole(self, name: str) -> bool:
        """Whether a blob is here and holds what its name says."""
        try:
            with self.path(name).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == name
        except FileNotFoundError:
            return False

    def size(self, name: str) -> int | None:
        """The bytes of a blob; None if it is not here."""
        try:
            return self.path(name).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, name: str, limit: int) -> bytes:
        """A whole blob.

        Raises:
            FileNotFoundError: it is not here.
            TooLarge: it holds more than `limit` bytes.
        """
        path = self.path(name)
        if path.stat().st_size > limit:
            raise TooLarge("this file", limit)
        return path.read_bytes()

    def incoming(self, limit: int) -> "Incoming":
        """A file that is about to arrive, at most `limit` bytes long."""
        return Incoming(self, self._incoming, limit)


class Incoming:
    """One arriving file: write chunks, then `keep`. Left without `keep`, it leaves nothing behind."""

    def __init__(self, blobs: Blobs, folder: Path, limit: int) -> None:
        self._blobs = blobs
        self._folder = folder
        self._limit = limit
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._descriptor = -1
        self._path: Path | None = None

    def __enter__(self) -> Self:
        with _full_disk_told(self._folder):
            self._descriptor, name = tempfile.mkstemp(dir=self._folder)
        self._path = Path(name)
        return self

    def write(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            TooLarge: more than the limit have arrived.
            DiskFull: no space is left.
        """
        self._size += len(chunk)
        if self._size > self._limit:
            raise TooLarge("the file", self._limit)
        self._md5.update(chunk)
        self._sha256.update(chunk)
        view = memoryview(chunk)
        with _full_disk_told(self._folder):
            while view:
                view = view[os.write(self._descriptor, view) :]

    def keep(self, expected: str | None = None) -> Blob:
        """Store what arrived under its name.

        Raises:
            ApiError: 422, its MD5 is not the `expected` one.
            DiskFull: no space is left.
        """
        md5 = self._md5.hexdigest()
        if expected is not None and md5 != expected:
            raise ApiError(
                f"the {self._size} bytes that arrived have the MD5 {md5}, not {expected} as announced: refused",
                UNPROCESSABLE,
            )
        name = self._sha256.hexdigest()
        target = self._blobs.path(name)
        with _full_disk_told(self._folder):
            if self._path is not None and not self._blobs.renew(name):
                os.fsync(self._descriptor)
                target.parent.mkdir(exist_ok=True)
                self._path.replace(target)
                self._path = None
                _sync_folder(target.parent)
        return Blob(name, md5, self._size)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """A rename is on the disk only once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _full_disk_told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(TOO_LARGE) from error
        raise
