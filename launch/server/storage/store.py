"""The database: one file, one writer at a time, readers that never wait, numbered migrations, a copy before each.

Write-ahead log with `synchronous=NORMAL`: a commit is in the kernel before it is acknowledged, so no acknowledged
row is lost when the process is killed (`kill -9` included), and the file is never torn. After a loss of *power*
the last commits before it can be missing (their log may not have reached the disk), whole transactions at a time.
`FULL` would wait for the disk at each claim and each batch of rows (1 to 10 ms, more on network disks) for that
one case, in which the runs themselves die too. This module does not know what the tables mean.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from launch.server import opening
from launch.server.errors import Busy, DiskFull, Stopping
from launch.server.limits import BUSY_SECONDS
from launch.server.starting import Telling
from launch.server.storage.migrating import Steps, bring_up_to_date, latest_of, migrate, to_the_terminal
from launch.server.turns import Turn

__all__ = ["Steps", "Store", "latest_of", "migrate"]
T = TypeVar("T")
WRITER_KIB, READER_KIB = 32_000, 8_000
"""The database's cache in memory, for the one that writes and for each that reads."""
KEPT_READERS = 4
"""Connections that wait for the next reader. What many readers at once held is given back."""
INCREMENTAL = 2
"""How a new database is made: free pages can be given back some at a time."""
LOG_PAGES = 64_000
"""The log (pages of 4 KiB) at which a commit folds it in itself, should nobody call `checkpoint`."""


class Store(Generic[T]):
    """Opens the database and hands out transactions.

    Args:
        path: the database file; made if it does not exist.
        schema: the migration steps of every concept.
        tables: makes the storage objects of one connection.
        telling: of a server that starts, which holds the folder already: told what is being done. Else the folder
            is held while a database is brought up to date.
        say: told, in a line, that a database was brought up to date and where its copy is.

    `commits` counts the transactions that were written since it was opened.

    Raises:
        SchemaError: a newer version wrote the database, or an older one is serving it.
        Unusable: there is something else in its place, or it cannot be read and written.
        Interrupted: a signal came while it was brought up to date.
    """

    def __init__(
        self,
        path: Path,
        schema: Sequence[Steps],
        tables: Callable[[sqlite3.Connection], T],
        *,
        telling: Telling | None = None,
        say: Callable[[str], None] = to_the_terminal,
    ) -> None:
        self.path = path
        self._tables = tables
        self._turn = Turn()
        self._lock = threading.Lock()
        self._idle: list[tuple[sqlite3.Connection, T]] = []
        self._busy: set[sqlite3.Connection] = set()
        self._interrupted = False
        self._closed = False
        self.commits = 0
        with opening.told(path):
            opening.schema_of(path, latest_of(schema))
            connection = self._connect(WRITER_KIB)
            try:
                bring_up_to_date(path, connection, schema, telling=telling, say=say)
            except BaseException:
                connection.close()
                raise
        self._writer = (connection, tables(connection))

    def _connect(self, cache_kib: int = READER_KIB) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.row_factory = sqlite3.Row
        if not self.path.stat().st_size:  # of one that holds something it would take the turn to write
            connection.execute(f"PRAGMA auto_vacuum = {INCREMENTAL}")
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
            Stopping: the server ends; nothing was stored.
        """
        with self._turn, self._interruptible(self._writer[0]):
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

    @contextmanager
    def _interruptible(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Let `interrupt` end what goes on; not begun any more after that."""
        with self._lock:
            if self._interrupted:
                raise Stopping
            self._busy.add(connection)
        try:
            yield
        except sqlite3.OperationalError as error:
            if _code(error) == sqlite3.SQLITE_INTERRUPT:
                raise Stopping from error
            raise
        finally:
            with self._lock:
                self._busy.discard(connection)

    def interrupt(self) -> None:
        """End the statements that are being worked on, and begin no transaction any more: the server is to end.

        To be called until all of them have ended: what is no statement goes on to the next one.
        """
        with self._lock:
            self._interrupted = True
            for connection in self._busy:
                connection.interrupt()

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
        """One consistent look at the data. Never waits for a writer.

        Raises:
            Stopping: the server ends.
        """
        with self._lock:
            pair = self._idle.pop() if self._idle else None
        if pair is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            pair = (connection, self._tables(connection))
        connection, tables = pair
        try:
            with self._interruptible(connection):
                connection.execute("BEGIN")
                try:
                    yield tables
                finally:
                    connection.execute("ROLLBACK")
        finally:
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
                connection.execute(f"PRAGMA auto_vacuum = {INCREMENTAL}")
                connection.execute("VACUUM")
            except sqlite3.OperationalError as error:
                if _code(error) == sqlite3.SQLITE_FULL:
                    raise DiskFull from error
                if _code(error) == sqlite3.SQLITE_BUSY:
                    raise Busy(self.path.parent, BUSY_SECONDS) from error
                raise

    def shrink(self, pages: int, spare: int) -> bool:
        """Give at most so many free pages back to the disk, but for `spare` ones; whether there may be more.

        Raises:
            DiskFull: the disk has no room for the log of that; nothing has changed.
        """
        with self._turn:
            connection, _ = self._writer
            free = int(connection.execute("PRAGMA freelist_count").fetchone()[0]) - spare
            if free <= 0 or connection.execute("PRAGMA auto_vacuum").fetchone()[0] != INCREMENTAL:
                return False
            with _full_told():  # as a script: `execute` takes one step of it, which is one page
                connection.executescript(f"PRAGMA incremental_vacuum({min(free, pages)})")
        return free > pages

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file, without keeping a writer or a reader waiting.

        Called now and then from a thread of its own; otherwise the one commit in some hundreds that finds the
        log grown would do it, and wait for the disk.
        """
        with contextlib.closing(self._connect()) as connection, _full_told():
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Close every connection; the write-ahead log is folded into the file."""
        with self._turn, self._lock:
            self._closed = True
            for connection, _ in [*self._idle, self._writer]:
                connection.close()
            self._idle.clear()


@contextmanager
def _full_told() -> Iterator[None]:
    """Tell a disk without room from all else.

    Raises:
        DiskFull: there is none.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if _code(error) == sqlite3.SQLITE_FULL:
            raise DiskFull from error
        raise


def _code(error: sqlite3.OperationalError) -> int | None:
    return getattr(error, "sqlite_errorcode", None)
