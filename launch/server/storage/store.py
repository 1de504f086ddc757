"""The database: one file, one writer at a time, readers that never wait, numbered migrations.

Write-ahead log with `synchronous=NORMAL`: a commit is in the kernel before it is acknowledged, so no acknowledged
row is lost when the process is killed (`kill -9` included), and the file is never torn. After a loss of *power*
the last commits before it can be missing (their log may not have reached the disk), whole transactions at a time.
`FULL` would wait for the disk at each claim and each batch of rows (1 to 10 ms, more on network disks) for that
one case, in which the runs themselves die too. This module does not know what the tables mean.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from framework.errors import SashikoError
from launch.server.errors import Busy, DiskFull
from launch.server.limits import BUSY_SECONDS
from launch.server.turns import Turn

Steps = Mapping[int, str]
"""DDL by number. Numbers count up across the whole schema; a published step is never edited, only followed."""
T = TypeVar("T")
WRITER_KIB, READER_KIB = 32_000, 8_000
"""The database's cache in memory, for the one that writes and for each that reads."""
KEPT_READERS = 4
"""Connections that wait for the next reader. What many readers at once held is given back."""
INCREMENTAL = 2
"""How a new database is made: free pages can be given back some at a time."""
LOG_PAGES = 16_000
"""The log (pages of 4 KiB) at which a commit folds it in itself, should nobody call `checkpoint`."""


class SchemaError(SashikoError):
    """A database that this version of the server cannot open."""


class Store(Generic[T]):
    """Opens the database and hands out transactions.

    Args:
        path: the database file; made if it does not exist.
        schema: the migration steps of every concept.
        tables: makes the storage objects of one connection.

    `commits` counts the transactions that were written since it was opened.
    """

    def __init__(self, path: Path, schema: Sequence[Steps], tables: Callable[[sqlite3.Connection], T]) -> None:
        self.path = path
        self._tables = tables
        self._turn = Turn()
        self._lock = threading.Lock()
        self._idle: list[tuple[sqlite3.Connection, T]] = []
        self._closed = False
        self.commits = 0
        connection = self._connect(WRITER_KIB)
        try:
            migrate(connection, schema)
        except BaseException:
            connection.close()
            raise
        self._writer = (connection, tables(connection))

    def _connect(self, cache_kib: int = READER_KIB) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.row_factory = sqlite3.Row
        connection.execute(f"PRAGMA auto_vacuum = {INCREMENTAL}")  # of a database that is empty yet
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        return connection

    @contextmanager
    def write(self) -> Iterator[T]:
        """One transaction, alone: all of it is stored or, if the block raises, none.

        Raises:
            DiskFull: the disk has no room; nothing was stored.
            Busy: another process has held the database for too long.
        """
        with self._turn:
            connection, tables = self._writer
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if _code(error) == sqlite3.SQLITE_BUSY:
                    raise Busy(self.path.parent, BUSY_SECONDS) from error
                raise
            try:
                yield tables
                connection.execute("COMMIT")
                self.commits += 1
            except BaseException as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError) and _code(error) == sqlite3.SQLITE_FULL:
                    raise DiskFull from error
                raise

    def write_each(self, changes: Sequence[Callable[[T], None]]) -> list[Exception | None]:
        """Many changes in one transaction, each whole or not at all: what each raised.

        Raises:
            DiskFull: the disk has no room; nothing of any change was stored.
        """
        errors: list[Exception | None] = []
        with self.write() as tables:
            connection, _ = self._writer
            for change in changes:
                connection.execute("SAVEPOINT change")
                try:
                    change(tables)
                    errors.append(None)
                except sqlite3.OperationalError:
                    raise  # such an error may have ended the whole transaction
                except Exception as error:
                    connection.execute("ROLLBACK TO change")
                    errors.append(error)
                connection.execute("RELEASE change")
        return errors

    @contextmanager
    def read(self) -> Iterator[T]:
        """One consistent look at the data. Never waits for a writer."""
        with self._lock:
            pair = self._idle.pop() if self._idle else None
        if pair is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            pair = (connection, self._tables(connection))
        connection, tables = pair
        connection.execute("BEGIN")
        try:
            yield tables
        finally:
            connection.execute("ROLLBACK")
            with self._lock:
                if self._closed or len(self._idle) >= KEPT_READERS:
                    connection.close()
                else:
                    self._idle.append(pair)

    @property
    def gives_back(self) -> bool:
        """Whether free pages can be given back some at a time (`shrink`), or only all at once (`rewrite`)."""
        with self._turn:
            return self._writer[0].execute("PRAGMA auto_vacuum").fetchone()[0] == INCREMENTAL  # type: ignore[no-any-return]

    def rewrite(self) -> None:
        """Write the database anew, without free pages; nobody else may have it open.

        Raises:
            DiskFull: the disk has no room for a copy; nothing has changed.
            Busy: another process has it open.
        """
        with self._turn:
            connection, _ = self._writer
            try:
                connection.execute("VACUUM")
            except sqlite3.OperationalError as error:
                if _code(error) == sqlite3.SQLITE_FULL:
                    raise DiskFull from error
                if _code(error) == sqlite3.SQLITE_BUSY:
                    raise Busy(self.path.parent, BUSY_SECONDS) from error
                raise

    def shrink(self, pages: int, spare: int) -> bool:
        """Give at most so many free pages back to the disk, but for `spare` ones; whether there may be more."""
        with self._turn:
            connection, _ = self._writer
            free = int(connection.execute("PRAGMA freelist_count").fetchone()[0]) - spare
            if free <= 0 or connection.execute("PRAGMA auto_vacuum").fetchone()[0] != INCREMENTAL:
                return False
            # As a script: `execute` takes one step of it, which is one page.
            connection.executescript(f"PRAGMA incremental_vacuum({min(free, pages)})")
        return free > pages

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file, without keeping a writer or a reader waiting.

        Called now and then from a thread of its own; otherwise the one commit in some hundreds that finds the
        log grown would do it, and wait for the disk.
        """
        with contextlib.closing(self._connect()) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Close every connection; the write-ahead log is folded into the file."""
        with self._turn, self._lock:
            self._closed = True
            for connection, _ in [*self._idle, self._writer]:
                connection.close()
            self._idle.clear()


def _code(error: sqlite3.OperationalError) -> int | None:
    return getattr(error, "sqlite_errorcode", None)


def migrate(connection: sqlite3.Connection, schema: Sequence[Steps]) -> None:
    """Bring a database to the newest schema, each step whole or not at all.

    Raises:
        SchemaError: the file was written by a newer version.
    """
    latest = max(number for steps in schema for number in steps)
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > latest:
        raise SchemaError(
            f"this database has schema {version}, newer than the {latest} that this version of Sashiko knows: "
            "update Sashiko, or serve another folder"
        )
    connection.execute("PRAGMA foreign_keys = OFF")  # a table that is rebuilt must not take its children along
    for number in range(version + 1, latest + 1):
        statements = [steps[number] for steps in schema if number in steps]
        script = "\n".join(["BEGIN IMMEDIATE;", *statements, f"PRAGMA user_version = {number};", "COMMIT;"])
        try:
            connection.executescript(script)
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    connection.execute("PRAGMA foreign_keys = ON")
