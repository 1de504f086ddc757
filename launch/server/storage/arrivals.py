"""Who sent which bytes for which version of an artifact: the proof that a digest in a manifest is one's own.

A client names files by their MD5, which anybody can know and which can be made to collide. So a digest counts only
for whoever sent the bytes: a row is written when an address to send them to is given out, and filled when they are
here. A user need not send the same bytes twice. This module does not know where the bytes are.
"""

import sqlite3
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from launch.server.storage.store import Steps


class Held(NamedTuple):
    """Bytes that are here: the name of the blob, and its size."""

    blob: str
    size: int


class Arrivals:
    """Storage of what was sent for versions."""

    MIGRATIONS: ClassVar[Steps] = {
        7: """
        CREATE TABLE arrivals (
            artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
            md5 TEXT NOT NULL,
            user_id INTEGER NOT NULL,
            blob TEXT,
            size INTEGER,
            PRIMARY KEY (artifact_id, md5, user_id)
        ) WITHOUT ROWID;
        CREATE INDEX arrivals_by_user ON arrivals(user_id, md5) WHERE blob IS NOT NULL;
        CREATE INDEX arrivals_by_blob ON arrivals(blob) WHERE blob IS NOT NULL;
        INSERT OR IGNORE INTO arrivals (artifact_id, md5, user_id, blob, size)
            SELECT entries.artifact_id, entries.md5, projects.user_id, entries.md5, entries.size FROM entries
            JOIN artifacts ON artifacts.id = entries.artifact_id
            JOIN collections ON collections.id = artifacts.collection_id
            JOIN projects ON projects.id = collections.project_id WHERE entries.md5 IS NOT NULL;
        """
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def expect(self, artifact_id: int, md5: str, user_id: int) -> None:
        """A user is about to send a file of a version."""
        self._db.execute(
            "INSERT OR IGNORE INTO arrivals (artifact_id, md5, user_id) VALUES (?, ?, ?)",
            (artifact_id, md5, user_id),
        )

    def arrived(self, artifact_id: int, md5: str, user_id: int, held: Held) -> bool:
        """Note that a file is here; whether this user was to send it, and the version still takes files."""
        cursor = self._db.execute(
            "UPDATE arrivals SET blob = ?, size = ? WHERE artifact_id = ? AND md5 = ? AND user_id = ? AND EXISTS"
            " (SELECT 1 FROM artifacts WHERE artifacts.id = artifact_id AND state = 'PENDING')",
            (*held, artifact_id, md5, user_id),
        )
        return cursor.rowcount > 0

    def own(self, user_id: int, md5: str, artifact_id: int) -> Held | None:
        """The bytes of this digest that a user has sent before: for this version, else for any."""
        row = self._db.execute(
            "SELECT blob, size FROM arrivals WHERE user_id = ? AND md5 = ? AND blob IS NOT NULL"
            " ORDER BY artifact_id <> ?, artifact_id DESC LIMIT 1",
            (user_id, md5, artifact_id),
        ).fetchone()
        return None if row is None else Held(row["blob"], row["size"])

    def of(self, artifact_id: int, user_id: int) -> Mapping[str, Held]:
        """What was sent for a version, by digest: by a user or, what that one did not send, by the others."""
        rows = self._db.execute(
            "SELECT md5, blob, size FROM arrivals WHERE artifact_id = ? AND blob IS NOT NULL ORDER BY user_id = ?",
            (artifact_id, user_id),
        ).fetchall()
        return {row["md5"]: Held(row["blob"], row["size"]) for row in rows}
