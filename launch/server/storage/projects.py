"""Projects: a name that groups runs, sweeps and artifacts. There is one entity, so none is stored."""

import sqlite3
import time
from collections.abc import Sequence
from typing import ClassVar

from launch.server.storage.store import Steps


class Projects:
    """Storage of projects."""

    MIGRATIONS: ClassVar[Steps] = {
        1: """
        CREATE TABLE projects (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            description TEXT,
            created_at REAL NOT NULL,
            runs_made INTEGER NOT NULL DEFAULT 0
        );
        """
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def by_name(self, name: str) -> sqlite3.Row | None:
        """The project of this name."""
        return self._one("SELECT * FROM projects WHERE name = ?", name)

    def by_id(self, key: int) -> sqlite3.Row | None:
        """The project with this id."""
        return self._one("SELECT * FROM projects WHERE id = ?", key)

    def make(self, name: str) -> tuple[sqlite3.Row, bool]:
        """The project of this name, and whether this call made it."""
        row = self.by_name(name)
        if row is not None:
            return row, False
        made = self._one("INSERT INTO projects (name, created_at) VALUES (?, ?) RETURNING *", name, time.time())
        if made is None:
            raise sqlite3.DatabaseError("INSERT … RETURNING gave no row")
        return made, True

    def listed(self, offset: int, limit: int) -> Sequence[sqlite3.Row]:
        """A page of the projects, newest first."""
        return self._db.execute(
            "SELECT * FROM projects ORDER BY id DESC LIMIT ? OFFSET ?", (limit, offset)
        ).fetchall()

    def next_number(self, key: int) -> int:
        """Count one more run in a project; the count names the run."""
        row = self._one("UPDATE projects SET runs_made = runs_made + 1 WHERE id = ? RETURNING runs_made AS n", key)
        return int(row["n"]) if row is not None else 0

    def _one(self, sql: str, *values: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
        return row
