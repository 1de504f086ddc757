"""What a damaged database has lost: which rows of which tables cannot be read, told by run, sweep and artifact.

A copy that broke off, a torn last page, a bad sector: SQLite says "malformed" at the first query that meets it,
and nothing of what else is there. Here each table is read by ranges of its first key column, and a range that
cannot be read is halved, until what is lost is told exactly, or there are too many places to tell. Nothing is
changed. This module does not know how the file came to harm.
"""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

PAGE_SIZE_AT, PAGES_AT, HEADER = 16, 28, 100
"""Where a database's header says how large its pages are, and how many; and the bytes of the header."""
MOST_LOOKS = 4_000
"""Ranges of a table that are looked at. A database that is damaged all over is not told place by place."""
LAST_KEY = 2**40
ALL = (-LAST_KEY, LAST_KEY)
"""The ends of the range that holds every key."""
SCHEMA = "the list of tables"
"""What is lost where a database does not even say which tables it has."""
OWNERS = {"run_id": "runs", "sweep_id": "sweeps", "artifact_id": "artifacts", "project_id": "projects"}
NAMES = {
    "runs": "SELECT users.name || '/' || projects.name || '/' || runs.name FROM runs"
    " JOIN projects ON projects.id = project_id JOIN users ON users.id = user_id WHERE runs.id BETWEEN ? AND ?",
    "sweeps": "SELECT users.name || '/' || projects.name || '/' || sweeps.name FROM sweeps"
    " JOIN projects ON projects.id = project_id JOIN users ON users.id = user_id WHERE sweeps.id BETWEEN ? AND ?",
    "artifacts": "SELECT users.name || '/' || projects.name || '/' || collections.name || ':v' || version_index"
    " FROM artifacts JOIN collections ON collections.id = collection_id JOIN projects ON projects.id = project_id"
    " JOIN users ON users.id = user_id WHERE artifacts.id BETWEEN ? AND ?",
}
"""What the owners with ids between two numbers are called."""
MOST_NAMES = 3


class Loss(NamedTuple):
    """Rows of a table that cannot be read: those whose first key column is between two numbers."""

    table: str
    column: str
    first: int
    last: int

    def __str__(self) -> str:
        if (self.first, self.last) == ALL:
            return f"{self.table}: nothing of it can be read"
        span = f"{self.first} to {self.last}" if self.first < self.last else f"{self.first}"
        span = f"{self.first} and after" if self.last == LAST_KEY else span
        span = f"up to {self.last}" if self.first == -LAST_KEY else span
        return f"{self.table}: not all can be read of the {OWNERS.get(self.column, 'rows')} with id {span}"


def missing_bytes(path: Path) -> int:
    """By how many bytes a database is shorter than its header says; 0 if it is whole, or no database.

    Pages that have not reached it may be in its log: of a database with one nothing is said here.
    """
    if _has_log(path):
        return 0
    header = _header(path)
    pages = int.from_bytes(header[PAGES_AT : PAGES_AT + 4], "big")
    return max(0, _page_size(path) * pages - path.stat().st_size) if header else 0


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is damaged, and not only out of reach."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _page_size(path: Path) -> int:
    size = int.from_bytes(_header(path)[PAGE_SIZE_AT : PAGE_SIZE_AT + 2], "big")
    return 65_536 if size == 1 else size or 1


def _header(path: Path) -> bytes:
    """The header of a database; nothing if the file has none."""
    with path.open("rb") as file:
        header = file.read(HEADER)
    return header if len(header) == HEADER and header.startswith(b"SQLite format 3\0") else b""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads what can be read, though the file is shorter than it says.

    A page of which a part is there would read as if the rest of it were empty, rows and all. So of a file that
    ends within a page a copy is read (beside it, while this is open) that ends before.

    Raises:
        OSError: there is no room for the copy.
    """
    with contextlib.ExitStack() as stack:
        size, rest = path.stat().st_size, path.stat().st_size % _page_size(path)
        if rest and not _has_log(path):
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=path.parent))
            path = Path(shutil.copyfile(path, Path(folder) / path.name))
            os.truncate(path, size - rest)
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        stack.enter_context(contextlib.closing(db))
        db.execute("PRAGMA writable_schema = ON")  # without it the first query ends at once
        db.execute("PRAGMA query_only = ON")
        yield db


def losses(db: sqlite3.Connection) -> Iterator[Loss]:
    """What cannot be read of each table, neighbouring places as one."""
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    try:
        tables = db.execute(names).fetchall()
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        yield Loss(SCHEMA, "rowid", *ALL)
        return
    for (table,) in sorted(tables):
        columns = [row[1] for row in db.execute(f'PRAGMA table_info("{table}")')]
        texts = " + ".join(f'COALESCE(LENGTH("{column}"), 0)' for column in columns)
        yield from _joined(_of_table(db, table, key_of(db, table), texts))


def names(db: sqlite3.Connection, loss: Loss) -> str:
    """What the runs, sweeps or versions that a loss is of are called, in brackets; nothing where nobody knows."""
    sql = NAMES.get(OWNERS.get(loss.column, ""))
    if sql is None:
        return ""
    try:
        rows = db.execute(f"{sql} LIMIT {MOST_NAMES + 1}", (loss.first, loss.last)).fetchall()
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return ""
    found = [str(row[0]) for row in rows]
    told = ", ".join(found[:MOST_NAMES])
    return f" ({told}{' and more' if len(found) > MOST_NAMES else ''})" if found else ""


def broken_indices(db: sqlite3.Connection) -> Iterator[str]:
    """The indices that cannot be read. No row is lost with one, but what is found by it."""
    found = db.execute("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index'").fetchall()
    for name, table, sql in found:
        _, part, where = (sql or "").partition(" WHERE ")
        try:
            db.execute(f'SELECT TOTAL(1) FROM "{table}" INDEXED BY "{name}"{part}{where}').fetchone()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            yield name


def readable(db: sqlite3.Connection, sql: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query that can be read. It takes two numbers, the ends of a range of keys that it looks at."""
    for _, _, rows in _ranges(db, sql):
        yield from rows or ()


def key_of(db: sqlite3.Connection, table: str) -> str:
    """The number by which rows of a table are kept: the first column of its primary key, or the rowid."""
    columns = db.execute(f'PRAGMA table_info("{table}")').fetchall()
    keys = sorted((column for column in columns if column[5]), key=lambda column: int(column[5]))
    return str(keys[0][1]) if keys and keys[0][2] == "INTEGER" else "rowid"


def _of_table(db: sqlite3.Connection, table: str, key: str, texts: str) -> Iterator[Loss]:
    sql = f'SELECT TOTAL({texts}) FROM "{table}" NOT INDEXED WHERE "{key}" BETWEEN ? AND ?'
    yield from (Loss(table, key, first, last) for first, last, rows in _ranges(db, sql) if rows is None)


def _ranges(db: sqlite3.Connection, sql: str) -> Iterator[tuple[int, int, list[tuple[Any, ...]] | None]]:
    """Ranges of keys in order: the first, the last, and what a query finds between; None if it cannot be read."""
    looks = 0
    left = [ALL]
    while left:
        first, last = left.pop()
        looks += 1
        try:
            yield first, last, db.execute(sql, (first, last)).fetchall()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            if first == last or looks > MOST_LOOKS:
                yield first, last, None
            else:
                middle = (first + last) // 2
                left += [(middle + 1, last), (first, middle)]


def _joined(found: Iterator[Loss]) -> Iterator[Loss]:
    before: Loss | None = None
    for loss in found:
        if before is not None and loss.first == before.last + 1:
            before = before._replace(last=loss.last)
            continue
        if before is not None:
            yield before
        before = loss
    if before is not None:
        yield before
