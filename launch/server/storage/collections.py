"""Artifact collections (the name before the colon), their aliases and tags. Versions are `artifacts.Artifacts`."""

import sqlite3
import time
from collections.abc import Sequence
from typing import ClassVar

from launch.server.storage.store import Steps

CHANGEABLE = frozenset({"name", "type", "description", "tags"})


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
        """,
        4: """
        ALTER TABLE collections ADD COLUMN portfolio INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE collections ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
        ALTER TABLE collections ADD COLUMN versions_made INTEGER NOT NULL DEFAULT 0;
        UPDATE collections SET versions_made =
            (SELECT COALESCE(MAX(version_index), -1) + 1 FROM artifacts WHERE collection_id = collections.id);
        """,
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def make(self, project_id: int, kind: str, name: str, *, portfolio: bool = False) -> sqlite3.Row | None:
        """The collection of this name, made if it is new. A portfolio holds links to versions made elsewhere."""
        now = time.time()
        self._db.execute(
            "INSERT INTO collections (project_id, type, name, portfolio, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (project_id, kind, name, int(portfolio), now, now),
        )
        return self.by_name(project_id, name)

    def by_name(self, project_id: int, name: str) -> sqlite3.Row | None:
        """The collection of this name in a project."""
        return self._one("collections.project_id = ? AND collections.name = ?", (project_id, name))

    def by_id(self, key: int) -> sqlite3.Row | None:
        """The collection with this id."""
        return self._one("collections.id = ?", (key,))

    def listed(self, project_id: int, kind: str | None = None) -> Sequence[sqlite3.Row]:
        """The collections of a project, of one type or of all, that hold a version, oldest first."""
        return self._db.execute(
            f"{_SELECT} WHERE project_id = ? AND (? IS NULL OR type = ?) AND EXISTS"
            " (SELECT 1 FROM memberships WHERE collection_id = collections.id) ORDER BY collections.id",
            (project_id, kind, kind),
        ).fetchall()

    def types(self, project_id: int) -> Sequence[sqlite3.Row]:
        """The artifact types of a project with the time of their first collection."""
        return self._db.execute(
            "SELECT type AS name, MIN(created_at) AS created_at FROM collections WHERE project_id = ?"
            " GROUP BY type ORDER BY type",
            (project_id,),
        ).fetchall()

    def set(self, key: int, **columns: object) -> None:
        """Store a new `name`, `type`, `description` or `tags` (JSON).

        Raises:
            sqlite3.IntegrityError: another collection of the project has this name.
        """
        if unknown := columns.keys() - CHANGEABLE:
            raise ValueError(f"these columns of a collection do not change: {sorted(unknown)}")
        values = {**columns, "updated_at": time.time()}
        assignments = ", ".join(f"{name} = ?" for name in values)
        self._db.execute(f"UPDATE collections SET {assignments} WHERE id = ?", (*values.values(), key))

    def delete(self, key: int) -> None:
        """Forget a collection, the versions that were made in it, and every link to them. Bytes stay."""
        self._db.execute("DELETE FROM artifacts WHERE collection_id = ?", (key,))
        self._db.execute("DELETE FROM collections WHERE id = ?", (key,))

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

    def aliases_of(self, artifact_id: int, key: int | None = None) -> Sequence[sqlite3.Row]:
        """The aliases of one version in one collection or in all, oldest first, each with its collection."""
        return self._db.execute(
            "SELECT aliases.id, aliases.alias, aliases.collection_id, collections.portfolio, collections.name,"
            " collections.project_id, projects.name AS project_name, users.name AS entity_name FROM aliases"
            f" JOIN collections ON collections.id = aliases.collection_id {_OWNERS}"
            " WHERE artifact_id = ? AND (? IS NULL OR collection_id = ?) ORDER BY aliases.id",
            (artifact_id, key, key),
        ).fetchall()

    def aliases(self, key: int) -> Sequence[sqlite3.Row]:
        """Every alias of a collection."""
        return self._db.execute(
            "SELECT aliases.id, aliases.alias, aliases.artifact_id, aliases.collection_id, collections.project_id"
            " FROM aliases JOIN collections ON collections.id = aliases.collection_id"
            " WHERE collection_id = ? ORDER BY aliases.id",
            (key,),
        ).fetchall()

    def _one(self, condition: str, values: tuple[object, ...]) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(f"{_SELECT} WHERE {condition}", values).fetchone()
        return row


_OWNERS = "JOIN projects ON projects.id = collections.project_id JOIN users ON users.id = projects.user_id"
_SELECT = (
    f"SELECT collections.*, projects.name AS project_name, users.name AS entity_name FROM collections {_OWNERS}"
)
