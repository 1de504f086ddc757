"""The copy that is made by itself before a database is brought to a newer schema, and the room that this needs.

Files that are no rows (`blobs/`) are named by their content and never change: the copy and they are what the older
version needs to go on from where it was.
"""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from launch.server.opening import Unusable, told

AT_ONCE = 4_096
"""Pages that are copied between two looks at whether to go on; nobody writes meanwhile."""
SPARE = 4 << 20
"""Bytes beyond the copy and the log of the migration: indices that are new, the folder itself."""


def folder_for(path: Path, schema: int) -> Path:
    """Where the copy of a database is that is about to get this schema."""
    return path.parent / f"before-schema-{schema}"


def must_have_room(path: Path, schema: int) -> None:
    """Let pass a database if the disk can hold it twice more: its copy, and what the migration writes anew.

    A copy that an earlier try has left goes once the new one is there.

    Raises:
        Unusable: it cannot.
    """
    size = sum(item.stat().st_size for item in (path, path.with_name(f"{path.name}-wal")) if item.exists())
    left = folder_for(path, schema) / path.name
    need = max(size, 2 * size - (left.stat().st_size if left.exists() else 0)) + SPARE
    free = shutil.disk_usage(path.parent).free
    if free < need:
        raise Unusable(
            f"{path} is of an older version and is to be brought up to date, for which {need / 1e6:,.0f} MB must"
            f" be free on its disk, and {free / 1e6:,.0f} MB are: make room and start again; nothing was changed"
        )


def keep(path: Path, schema: int, copying: Callable[[float], None] = lambda done: None) -> Path:
    """Copy a database as it is, whole or not at all, synced to the disk; where to.

    `copying` is told now and then how much is done, from 0 to 1; what it raises ends the copy.

    A copy that was made for the same schema before is replaced: until the migration has ended the database is as
    it was, and after somebody has gone back it is ahead of that copy.

    Raises:
        Unusable: the disk has no room, or the folder cannot be written.
    """
    folder = folder_for(path, schema)
    with told(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        fresh, kept = folder / f"{path.name}.new", folder / path.name
        for leftover in (fresh, fresh.with_name(f"{fresh.name}-journal")):
            leftover.unlink(missing_ok=True)
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            _copy(path, fresh, copying)
            fresh.replace(kept)
        finally:
            fresh.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # it holds a copy
                folder.rmdir()
        sync(folder)
        sync(folder.parent)
    return kept


def _copy(path: Path, fresh: Path, copying: Callable[[float], None]) -> None:
    def told(_status: int, remaining: int, pages: int) -> None:
        copying(1 - remaining / max(pages, 1))

    copying(0.0)
    source = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=20)
    with contextlib.closing(source), contextlib.closing(sqlite3.connect(fresh)) as copy:
        source.backup(copy, pages=AT_ONCE, progress=told)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file that needs none beside it
    sync(fresh)


def sync(path: Path) -> None:
    """Wait until a file, or what a folder lists, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
