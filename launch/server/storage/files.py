"""The files of runs: name → blob. The bytes are `blobs.Blobs`; a name is never a path on the disk."""

import sqlite3
import time
from collections.abc import Sequence
from typing import ClassVar

from launch.server.storage.store import Steps


class Files:
    """Storage of the names of run files."""

    MIGRATIONS: ClassVar[Steps] = {
        1: """
        CREATE TABLE run_files (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            md5 TEXT NOT NULL,
            size INTEGER NOT NULL,
            updated_at REAL NOT NULL,
            PRIMARY KEY (run_id, name)
        ) WITHOUT ROWID;
        CREATE INDEX run_files_by_md5 ON run_files(md5);
        """,
        7: """
        ALTER TABLE run_files ADD COLUMN blob TEXT NOT NULL DEFAULT '';
        UPDATE run_files SET blob = md5;
        DROP INDEX run_files_by_md5;
        CREATE INDEX run_files_by_blob ON run_files(blob);
        """,
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put(self, run_id: int, name: str, *, blob: str, md5: str, size: int) -> None:
        """Store what a file of a run holds now: the name of the blob, its MD5 in hex and its size."""
        self._db.execute(
            "INSERT INTO run_files (run_id, name, blob, md5, size, updated_at) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET blob = excluded.blob, md5 = excluded.md5, size = excluded.size,"
            " updated_at = excluded.updated_at",
            (run_id, name, blob, md5, size, time.time()),
        )

    def get(self, run_id: int, name: str) -> sqlite3.Row | None:
        """One file of a run."""
        row: sqlite3.Row | None = self._db.execute(
            "SELECT * FROM run_files WHERE run_id = ? AND name = ?", (run_id, name)
        ).fetchone()
        return row

    def listed(
        self, run_id: int, pattern: str | None = None, offset: int = 0, limit: int = -1
    ) -> Sequence[sqlite3.Row]:
        """Files whose names match an SQL LIKE pattern, by name."""
        return self._db.execute(
            "SELECT * FROM run_files WHERE run_id = ? AND (? IS NULL OR name LIKE ?)"
            " ORDER BY name LIMIT ? OFFSET ?",
            (run_id, pattern, pattern, limit, offset),
        ).fetchall()

    def count(self, run_id: int) -> int:
        """The number of files of a run."""
        row = self._db.execute("SELECT COUNT(*) FROM run_files WHERE run_id = ?", (run_id,)).fetchone()
        return int(row[0])

    def delete(self, run_id: int, name: str) -> None:
        """Forget a file; its bytes stay."""
        self._db.execute("DELETE FROM run_files WHERE run_id = ? AND name = ?", (run_id, name))
