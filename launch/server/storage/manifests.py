"""The manifests that clients announce and send for a pending version.

One version can have several: a full one; one part (PATCH) from each run that makes the version together with
others; or what is to be added to an earlier version (INCREMENTAL). This module does not know what is in them.
"""

import sqlite3
from collections.abc import Sequence
from typing import ClassVar

from launch.server.storage.store import Steps

FULL, PATCH, INCREMENTAL = "FULL", "PATCH", "INCREMENTAL"
KINDS = (FULL, PATCH, INCREMENTAL)


class Manifests:
    """Storage of the manifests of pending versions."""

    MIGRATIONS: ClassVar[Steps] = {
        4: """
        CREATE TABLE manifests (
            id INTEGER PRIMARY KEY,
            artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
            kind TEXT NOT NULL CHECK (kind IN ('FULL', 'PATCH', 'INCREMENTAL')),
            base_id INTEGER,
            digest TEXT,
            md5 TEXT
        );
        CREATE INDEX manifests_by_artifact ON manifests(artifact_id);
        """,
        7: """
        ALTER TABLE manifests RENAME COLUMN md5 TO blob;
        CREATE INDEX manifests_by_blob ON manifests(blob) WHERE blob IS NOT NULL;
        ALTER TABLE manifests ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
        """,
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, artifact_id: int, kind: str, base_id: int | None, digest: str | None) -> int:
        """Store a manifest that is to come, and return its id. `digest` is its MD5 in hex, if known yet."""
        cursor = self._db.execute(
            "INSERT INTO manifests (artifact_id, kind, base_id, digest) VALUES (?, ?, ?, ?)",
            (artifact_id, kind, base_id, digest),
        )
        return int(cursor.lastrowid or 0)

    def announce(self, key: int, digest: str) -> None:
        """Store the digest of a manifest that was begun without one."""
        self._db.execute("UPDATE manifests SET digest = ?, blob = NULL WHERE id = ?", (digest, key))

    def arrived(self, key: int, blob: str, size: int) -> None:
        """Note that a manifest is here, in the blob of this name, with so many bytes."""
        self._db.execute("UPDATE manifests SET blob = ?, size = ? WHERE id = ?", (blob, size, key))

    def by_id(self, key: int) -> sqlite3.Row | None:
        """A manifest, with the state of its version."""
        row: sqlite3.Row | None = self._db.execute(
            "SELECT manifests.*, artifacts.state FROM manifests JOIN artifacts"
            " ON artifacts.id = manifests.artifact_id WHERE manifests.id = ?",
            (key,),
        ).fetchone()
        return row

    def here(self, artifact_id: int) -> Sequence[sqlite3.Row]:
        """The manifests of a version that have arrived, in the order they were announced."""
        return self._db.execute(
            "SELECT * FROM manifests WHERE artifact_id = ? AND blob IS NOT NULL ORDER BY id", (artifact_id,)
        ).fetchall()
