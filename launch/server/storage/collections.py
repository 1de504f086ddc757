"""Artifact collections (the name before the colon), their aliases and tags. Versions are `artifacts.Artifacts`."""

import sqlite3
import time
from collections.abc import Sequence
from typing import ClassVar

from launch.server.storage.store import Steps


class Collections:
    """Storage of artifact collections."""

    MIGRATIONS: ClassVar[Steps] = {
        1: """
        CREATE TABLE collections (
            id INTEGER PRIMARY KEY,
            project_id INTEGER NOT NULL REFERENCES projects(id),
            type TEXT NOT NULL,
            name TEXT NOT NULL,
            description TEXT,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL,
            UNIQUE (project_id, name)
        );
        CREATE TABLE aliases (
            id INTEGER PRIMARY KEY,
            collection_id INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
            alias TEXT NOT NULL,
            artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
            UNIQUE (collection_id, alias)
        );
        CREATE INDEX aliases_by_artifact ON aliases(artifact_id);
        """
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def make(self, project_id: int, kind: str, name: str) -> sqlite3.Row | None:
        """The collection of this name, made if it is new."""
        now = time.time()
        self._db.execute(
            "INSERT INTO collections (project_id, type, name, created_at, updated_at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (project_id, kind, name, now, now),
        )
        return self.by_name(project_id, name)

    def by_name(self, project_id: int, name: str) -> sqlite3.Row | None:
        """The collection of this name in a project."""
        return self._one("collections.project_id = ? AND collections.name = ?", (project_id, name))

    def by_id(self, key: int) -> sqlite3.Row | None:
        """The collection with this id."""
        return self._one("collections.id = ?", (key,))

    def listed(self, project_id: int, kind: str | None = None) -> Sequence[sqlite3.Row]:
        """The collections of a project, of one type or of all, that hold a version."""
        return self._db.execute(
            f"{_SELECT} WHERE project_id = ? AND (? IS NULL OR type = ?) AND EXISTS (SELECT 1 FROM artifacts"
            " WHERE collection_id = collections.id AND state = 'COMMITTED') ORDER BY collections.id",
            (project_id, kind, kind),
        ).fetchall()

    def types(self, project_id: int) -> Sequence[sqlite3.Row]:
        """The artifact types of a project with the time of their first collection."""
        return self._db.execute(
            "SELECT type AS name, MIN(created_at) AS created_at FROM collections WHERE project_id = ?"
            " GROUP BY type ORDER BY type",
            (project_id,),
        ).fetchall()

    def describe(self, key: int, description: str | None) -> None:
        """Store a description."""
        self._db.execute(
            "UPDATE collections SET description = ?, updated_at = ? WHERE id = ?",
            (description, time.time(), key),
        )

    def delete(self, key: int) -> None:
        """Forget a collection with its aliases; its versions must be deleted before."""
        self._db.execute("DELETE FROM aliases WHERE collection_id = ?", (key,))

    def set_alias(self, key: int, alias: str, artifact_id: int) -> None:
        """Point an alias at a version; it leaves the one it pointed at."""
        self._db.execute(
            "INSERT INTO aliases (collection_id, alias, artifact_id) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET artifact_id = excluded.artifact_id",
            (key, alias, artifact_id),
        )

    def drop_alias(self, key: int, alias: str, artifact_id: int) -> None:
        """Take an alias off a version."""
        self._db.execute(
            "DELETE FROM aliases WHERE collection_id = ? AND alias = ? AND artifact_id = ?",
            (key, alias, artifact_id),
        )

    def aliases_of(self, artifact_id: int) -> Sequence[sqlite3.Row]:
        """The aliases of one version, oldest first."""
        return self._db.execute(
            "SELECT id, alias FROM aliases WHERE artifact_id = ? ORDER BY id", (artifact_id,)
        ).fetchall()

    def aliases(self, key: int) -> Sequence[sqlite3.Row]:
        """Every alias of a collection."""
        return self._db.execute(
            "SELECT id, alias, artifact_id FROM aliases WHERE collection_id = ? ORDER BY id", (key,)
        ).fetchall()

    def _one(self, condition: str, values: tuple[object, ...]) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(f"{_SELECT} WHERE {condition}", values).fetchone()
        return row


_SELECT = (
    "SELECT collections.*, projects.name AS project_name FROM collections"
    " JOIN projects ON projects.id = collections.project_id"
)
