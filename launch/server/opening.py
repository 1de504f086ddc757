"""Before a database is opened: what is there, whether this version may open it, what is wrong where it may not.

Nothing here changes a byte. Each thing that can be wrong is one line that says what to do.
"""

import contextlib
import errno
import os
import pwd
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from framework.errors import SashikoError
from launch.server.limits import BUSY_SECONDS

MAGIC = b"SQLite format 3\0"
LOCK_FILE = "lock"
"""Held by the server of a folder while it runs."""
HEADER = 100
"""Bytes; what stands where: https://www.sqlite.org/fileformat.html#the_database_header."""
FROM_BACKUP = "restore the folder from a backup (a folder made by `sashiko serve backup` can be served itself)"


class SchemaError(SashikoError):
    """A database that this version of the server cannot open."""


class Unusable(SashikoError):
    """A folder, or the database in it, that cannot be served as it is; the message says what to do."""


def schema_of(path: Path, latest: int) -> int:
    """The number of the schema of a database; 0 where there is none yet.

    Raises:
        SchemaError: it is newer than `latest`, which is the newest that this version knows.
        Unusable: it is no database, or cannot be read.
    """
    with told(path):
        if not path.exists() or _is_new(path):
            return 0
        found = _noted_in(path)
    if found > latest:
        raise SchemaError(
            f"{path} has schema {found}, newer than the {latest} that this version of Sashiko knows:"
            " update Sashiko, or serve another folder"
        )
    return found


def must_be_current(path: Path, latest: int) -> None:
    """Let pass a database of exactly this schema: one that is only looked at is not brought up to date.

    Raises:
        SchemaError: it is older or newer.
        Unusable: it is no database, or cannot be read.
    """
    found = schema_of(path, latest)
    if found < latest:
        raise SchemaError(
            f"{path} has schema {found}, older than the {latest} of this version of Sashiko: start it once with"
            f" `sashiko serve --dir {path.parent}`, which brings it up to date and keeps a copy, or use the"
            " Sashiko that it was served with"
        )


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Say in one line what is wrong with the database at `path`.

    Raises:
        Unusable: the system or SQLite could not read or write it.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        words = _words(path, error)
        if words is None:
            raise
        raise Unusable(words) from error
    except OSError as error:
        raise Unusable(os_words(error, path)) from error


@contextlib.contextmanager
def room_told(copy: Path) -> Iterator[None]:
    """Say in one line why a copy cannot be written; what is wrong with what is copied is said by others.

    Raises:
        Unusable: the disk is full or fails, or may not be written.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        words = _words(copy, error)
        other = _code(error) in NOT_OPENED and os.access(copy.parent, os.W_OK)  # it is what is copied
        if words is None or other:
            raise
        raise Unusable(words) from error


def os_words(error: OSError, path: Path) -> str:
    """What the system refused, and what to do about it."""
    where = path if error.filename is None else Path(os.fsdecode(error.filename))
    reason = (error.strerror or str(error)).lower()
    if isinstance(error, PermissionError):
        return f"{where}: {reason}: {whose(where)}"
    to_do = READ_ONLY if error.errno == errno.EROFS else OTHER
    return f"{where}: {reason}: {FULL if error.errno in NO_ROOM else to_do}"


def whose(path: Path) -> str:
    """Why something may not be written: its file system, or to whom it belongs; and what is to do."""
    place = path
    while not _there(place) and place != place.parent:
        place = place.parent
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        return f"its file system is mounted read-only: {READ_ONLY}"
    owner, mine = place.stat().st_uid, os.geteuid()
    if owner == mine:
        return "make it readable and writable (chmod -R u+rwX), or serve another folder with --dir"
    return (
        f"{place} belongs to user {_named(owner)}, and this is {_named(mine)}: run this as {_named(owner)},"
        f" give the folder away (chown -R {_named(mine)}), or serve another one with --dir"
    )


NOT_OPENED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL = "make room on the disk, or lift the limit (quota, ulimit -f), and start again; nothing was changed"
READ_ONLY = "mount it for writing (mount -o remount,rw), or serve another folder with --dir"
OTHER = "mend that, or serve another folder with --dir"


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return False


def _named(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _is_new(path: Path) -> bool:
    """Whether an empty file is a database that was about to be made; SQLite leaves such a one if it is killed.

    Raises:
        Unusable: the folder has been served, so that the file has lost what it held.
    """
    if path.stat().st_size or _size(path.with_name(f"{path.name}-wal")):
        return False
    folder = path.parent
    if (folder / "port").exists() or next((folder / "blobs").glob("??/*"), None) is not None:
        raise Unusable(f"{path} is empty, and the folder has been served: {FROM_BACKUP}")
    return True


def _noted_in(path: Path) -> int:
    """The schema of a database, read without a trace: from its header, or through SQLite if a log is beside it.

    Raises:
        Unusable: it is no database, or was cut off; with a log beside it, that cannot be seen here.
    """
    with path.open("rb") as file:
        header = file.read(HEADER)
    if _size(path.with_name(f"{path.name}-wal")):
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
    if len(header) < HEADER or not header.startswith(MAGIC):
        raise Unusable(f"{path} is no database: {FROM_BACKUP}, or serve another folder with --dir")
    page = int.from_bytes(header[16:18]) or 1
    pages, counted = int.from_bytes(header[28:32]), header[24:28] == header[92:96]
    want = (65_536 if page == 1 else page) * pages
    if counted and (have := path.stat().st_size) < want:
        raise Unusable(f"{path} is cut off: {have:,} of {want:,} bytes are there: {_damaged(path)}")
    return int.from_bytes(header[60:64])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _damaged(path: Path) -> str:
    return f"what is lost, `sashiko serve --dir {path.parent} verify` says; {FROM_BACKUP}"


def _code(error: sqlite3.DatabaseError) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _words(path: Path, error: sqlite3.DatabaseError) -> str | None:
    """What is wrong with a database; None where it is the statement that is wrong."""
    code = _code(error)
    if code in NOT_OPENED:
        return f"{path} cannot be opened for writing ({error}): {whose(path)}"
    what = {
        sqlite3.SQLITE_NOTADB: f"is no database: {FROM_BACKUP}, or serve another folder with --dir",
        sqlite3.SQLITE_CORRUPT: f"is damaged ({error}): {_damaged(path)}",
        sqlite3.SQLITE_FULL: f"cannot grow, its disk is full: {FULL}",
        sqlite3.SQLITE_BUSY: "is in use by another process: try again",
        sqlite3.SQLITE_IOERR: f"cannot be read or written ({error}): is its disk full or failing, or a limit set"
        " (ulimit -f)?",
    }.get(code)
    return None if what is None else f"{path} {what}"
