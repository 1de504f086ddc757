"""A year's database as older versions left it: of an older schema, or without a way to give pages back."""

import contextlib
import sqlite3
from pathlib import Path

from launch.server.storage import SCHEMA as STEPS
from launch.server.storage.store import latest_of

SCHEMA, LATEST = 7, latest_of(STEPS)


def taken_back(path: Path) -> None:
    """Give a database the schema of an older version, with all rows that had a place in it.

    Rows in files had none: their runs have lost them here, and the files are named by nothing.
    """
    fresh = path.with_name("older.db")
    with contextlib.closing(sqlite3.connect(fresh)) as db:
        for number in range(1, SCHEMA + 1):
            for steps in STEPS:
                db.executescript(steps.get(number, ""))
        db.execute("ATTACH ? AS newer", (str(path),))
        for (table,) in db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            shared = [name for name in _columns(db, "main", table) if name in _columns(db, "newer", table)]
            names = ", ".join(f'"{name}"' for name in shared)
            db.execute(f'DELETE FROM main."{table}"')
            db.execute(f'INSERT INTO main."{table}" ({names}) SELECT {names} FROM newer."{table}"')
        db.execute(f"PRAGMA user_version = {SCHEMA}")
        db.commit()
    fresh.replace(path)


def _columns(db: sqlite3.Connection, schema: str, table: str) -> list[str]:
    """The columns of a table that hold something of their own."""
    return [row[1] for row in db.execute(f'PRAGMA {schema}.table_xinfo("{table}")') if not row[6]]


def with_free_pages(path: Path) -> None:
    """Leave free pages in a database, before others that are in use: those have to move."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE ballast AS SELECT id, zeroblob(2000) FROM runs")
        db.execute("CREATE TABLE behind AS SELECT * FROM history_keys")
        db.execute("DROP TABLE ballast")
        db.commit()


def rigid(path: Path) -> None:
    """Let a database be one that gives pages back only all at once."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA auto_vacuum = NONE")
        db.execute("VACUUM")
