"""Which collections hold which versions, under which numbers.

A version is a member of the collection that it was made in, and of every collection it was linked to (a
portfolio). In each it has a number of that collection, given once and never again. This module does not know what
a version holds.
"""

import sqlite3
import time
from collections.abc import Sequence
from typing import ClassVar

from launch.server.storage.artifacts import FIELDS, SOURCES
from launch.server.storage.store import Steps


class Memberships:
    """Storage of memberships. A row is the version's, with the columns `member_…` of its place in a collection."""

    MIGRATIONS: ClassVar[Steps] = {
        4: """
        CREATE TABLE memberships (
            id INTEGER PRIMARY KEY,
            collection_id INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
            artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
            version_index INTEGER NOT NULL,
            created_at REAL NOT NULL,
            UNIQUE (collection_id, artifact_id)
        );
        CREATE UNIQUE INDEX memberships_by_version ON memberships(collection_id, version_index);
        CREATE INDEX memberships_by_artifact ON memberships(artifact_id);
        INSERT INTO memberships (collection_id, artifact_id, version_index, created_at)
            SELECT collection_id, id, version_index, created_at FROM artifacts
            WHERE state = 'COMMITTED' ORDER BY id;
        """
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, collection_id: int, artifact_id: int) -> int:
        """Make a version a member of a collection; its number there. One that is a member keeps its number."""
        known = self.get(collection_id, artifact_id)
        if known is not None:
            return int(known["member_index"])
        row = self._db.execute(
            "UPDATE collections SET versions_made = versions_made + 1 WHERE id = ?"
            " RETURNING versions_made - 1 AS number",
            (collection_id,),
        ).fetchone()
        number = int(row["number"])
        self._db.execute(
            "INSERT INTO memberships (collection_id, artifact_id, version_index, created_at) VALUES (?, ?, ?, ?)",
            (collection_id, artifact_id, number, time.time()),
        )
        return number

    def drop(self, collection_id: int, artifact_id: int) -> None:
        """Take a version out of a collection, with its aliases there."""
        for table in ("aliases", "memberships"):
            self._db.execute(
                f"DELETE FROM {table} WHERE collection_id = ? AND artifact_id = ?", (collection_id, artifact_id)
            )

    def get(self, collection_id: int, artifact_id: int) -> sqlite3.Row | None:
        """A version in a collection."""
        return self._one("memberships.collection_id = ? AND artifacts.id = ?", (collection_id, artifact_id))

    def of(self, artifact_id: int) -> Sequence[sqlite3.Row]:
        """Every place of a version, its own collection first."""
        return self._all(
            "artifacts.id = ? ORDER BY memberships.collection_id <> artifacts.collection_id, memberships.id",
            (artifact_id,),
        )

    def projects(self, artifact_id: int) -> Sequence[int]:
        """The ids of the projects in which a version is linked."""
        rows = self._db.execute(
            "SELECT DISTINCT collections.project_id FROM memberships JOIN collections"
            " ON collections.id = memberships.collection_id WHERE artifact_id = ?",
            (artifact_id,),
        ).fetchall()
        return [row["project_id"] for row in rows]

    def listed(self, collection_id: int) -> Sequence[sqlite3.Row]:
        """The versions of a collection, newest first."""
        return self._all("memberships.collection_id = ? ORDER BY memberships.version_index DESC", (collection_id,))

    def latest(self, collection_id: int) -> sqlite3.Row | None:
        """The version with the highest number."""
        return self._one(
            "memberships.collection_id = ? ORDER BY memberships.version_index DESC LIMIT 1", (collection_id,)
        )

    def by_alias(self, collection_id: int, alias: str) -> sqlite3.Row | None:
        """The version that an alias, a number (`v3`) or a digest names."""
        row = self._one(
            "memberships.collection_id = ? AND artifacts.id ="
            " (SELECT artifact_id FROM aliases WHERE collection_id = ? AND alias = ?)",
            (collection_id, collection_id, alias),
        )
        if row is None and alias[:1] == "v" and alias[1:].isascii() and alias[1:].isdigit() and len(alias) < 19:
            row = self._one(
                "memberships.collection_id = ? AND memberships.version_index = ?", (collection_id, int(alias[1:]))
            )
        return row if row is not None else self.by_digest(collection_id, alias)

    def by_digest(self, collection_id: int, digest: str) -> sqlite3.Row | None:
        """The newest version with this digest."""
        return self._one(
            "memberships.collection_id = ? AND artifacts.digest = ?"
            " ORDER BY memberships.version_index DESC LIMIT 1",
            (collection_id, digest),
        )

    def _one(self, condition: str, values: tuple[object, ...]) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(f"{_SELECT} WHERE {condition}", values).fetchone()
        return row

    def _all(self, condition: str, values: tuple[object, ...]) -> Sequence[sqlite3.Row]:
        return self._db.execute(f"{_SELECT} WHERE {condition}", values).fetchall()


_SELECT = (
    f"SELECT {FIELDS}, memberships.id AS member_id, memberships.collection_id AS member_collection_id,"
    " memberships.version_index AS member_index, memberships.created_at AS member_created_at,"
    " places.project_id AS member_project_id FROM memberships"
    " JOIN collections AS places ON places.id = memberships.collection_id"
    f" JOIN artifacts ON artifacts.id = memberships.artifact_id {SOURCES}"
)
