"""Versions of artifacts, what they hold, and which runs made and used them.

A version is PENDING while its files arrive and COMMITTED once they are all here. This module does not know where
the bytes are (an entry names them by digest), nor which collections a version is in (`memberships`).
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from launch.server.limits import AHEAD_SECONDS
from launch.server.storage.arrivals import Held
from launch.server.storage.store import Steps

PENDING, COMMITTED, DELETED = "PENDING", "COMMITTED", "DELETED"
COLUMNS = frozenset(
    {
        "state",
        "version_index",
        "description",
        "metadata",
        "size",
        "kept",
        "file_count",
        "manifest_digest",
        "manifest_blob",
        "pending_aliases",
        "tags",
        "run_id",
        "history_step",
        "client_id",
        "sequence_client_id",
        "distributed_id",
        "ttl",
        "digest",
        "commit_hash",
        "updated_at",
    }
)


class Entry(NamedTuple):
    """One file of a version: path, blob and MD5 in hex (None for a reference), size in bytes, reference."""

    path: str
    blob: str | None
    md5: str | None
    size: int
    ref: str | None


class Artifacts:
    """Storage of artifact versions."""

    MIGRATIONS: ClassVar[Steps] = {
        1: """
        CREATE TABLE artifacts (
            id INTEGER PRIMARY KEY,
            collection_id INTEGER NOT NULL REFERENCES collections(id),
            state TEXT NOT NULL,
            version_index INTEGER,
            digest TEXT NOT NULL,
            description TEXT,
            metadata TEXT,
            tags TEXT NOT NULL DEFAULT '[]',
            pending_aliases TEXT NOT NULL DEFAULT '[]',
            run_id INTEGER REFERENCES runs(id) ON DELETE SET NULL,
            history_step INTEGER,
            client_id TEXT,
            sequence_client_id TEXT,
            manifest_digest TEXT,
            manifest_md5 TEXT,
            commit_hash TEXT,
            size INTEGER NOT NULL DEFAULT 0,
            file_count INTEGER NOT NULL DEFAULT 0,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL
        );
        CREATE INDEX artifacts_by_digest ON artifacts(collection_id, digest);
        CREATE UNIQUE INDEX artifacts_by_version ON artifacts(collection_id, version_index);
        CREATE INDEX artifacts_by_client ON artifacts(client_id);
        CREATE TABLE entries (
            artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
            path TEXT NOT NULL,
            md5 TEXT,
            size INTEGER NOT NULL,
            ref TEXT,
            PRIMARY KEY (artifact_id, path)
        ) WITHOUT ROWID;
        CREATE TABLE lineage (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
            role TEXT NOT NULL CHECK (role IN ('made', 'used')),
            PRIMARY KEY (run_id, artifact_id, role)
        ) WITHOUT ROWID;
        CREATE INDEX lineage_by_artifact ON lineage(artifact_id, role);
        """,
        2: "CREATE INDEX entries_by_md5 ON entries(md5);",
        4: """
        ALTER TABLE artifacts ADD COLUMN distributed_id TEXT;
        ALTER TABLE artifacts ADD COLUMN ttl INTEGER;
        CREATE INDEX artifacts_by_ttl ON artifacts(created_at + ttl) WHERE ttl > 0 AND state = 'COMMITTED';
        """,
        7: """
        ALTER TABLE artifacts RENAME COLUMN manifest_md5 TO manifest_blob;
        CREATE INDEX artifacts_by_manifest ON artifacts(manifest_blob) WHERE manifest_blob IS NOT NULL;
        ALTER TABLE entries ADD COLUMN blob TEXT;
        UPDATE entries SET blob = md5;
        CREATE INDEX entries_by_blob ON entries(blob) WHERE blob IS NOT NULL;
        ALTER TABLE artifacts ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
        UPDATE artifacts SET kept =
            (SELECT COALESCE(SUM(size), 0) FROM entries WHERE artifact_id = artifacts.id AND blob IS NOT NULL);
        ALTER TABLE artifacts ADD COLUMN text_bytes INTEGER GENERATED ALWAYS AS (LENGTH(digest) + LENGTH(tags)
            + LENGTH(pending_aliases) + COALESCE(LENGTH(description), 0) + COALESCE(LENGTH(metadata), 0)
            + COALESCE(LENGTH(client_id), 0) + COALESCE(LENGTH(sequence_client_id), 0)
            + COALESCE(LENGTH(distributed_id), 0)) VIRTUAL;
        CREATE INDEX artifacts_by_usage ON artifacts(collection_id, state, kept, text_bytes);
        """,
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, collection_id: int, digest: str, **columns: object) -> int:
        """Store a new, pending version and return its id."""
        now = time.time()
        values = {
            "collection_id": collection_id,
            "digest": digest,
            "state": PENDING,
            "created_at": now,
            "updated_at": now,
            **_checked(columns),
        }
        sql = f"INSERT INTO artifacts ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
        return int(self._db.execute(sql, tuple(values.values())).lastrowid or 0)

    def set(self, key: int, **columns: object) -> None:
        """Store new values of some columns."""
        values = _checked(columns) | {"updated_at": time.time()}
        assignments = ", ".join(f"{name} = ?" for name in values)
        self._db.execute(f"UPDATE artifacts SET {assignments} WHERE id = ?", (*values.values(), key))

    def by_id(self, key: int) -> sqlite3.Row | None:
        """The version with this id, in whatever state."""
        return self._one("artifacts.id = ?", (key,))

    def by_distributed_id(self, collection_id: int, distributed_id: str) -> sqlite3.Row | None:
        """The pending version that several runs make together."""
        return self._one(
            "artifacts.collection_id = ? AND artifacts.distributed_id = ? AND artifacts.state = 'PENDING'"
            " ORDER BY artifacts.id DESC LIMIT 1",
            (collection_id, distributed_id),
        )

    def by_client_id(self, client_id: str) -> Sequence[sqlite3.Row]:
        """The versions that clients named with this id of their own, newest first."""
        return self._db.execute(
            f"{_SELECT} WHERE artifacts.client_id = ? ORDER BY artifacts.id DESC", (client_id,)
        ).fetchall()

    def add_entries(self, key: int, entries: Iterable[Entry]) -> None:
        """Store some of what a pending version will hold."""
        self._db.executemany(
            "INSERT INTO entries (artifact_id, path, blob, md5, size, ref) VALUES (?, ?, ?, ?, ?, ?)",
            [(key, *entry) for entry in entries],
        )

    def clear(self, key: int, most: int) -> bool:
        """Forget at most so many of the stored entries of a pending version; whether there were as many."""
        cursor = self._db.execute(
            "DELETE FROM entries WHERE artifact_id = :key AND path IN"
            " (SELECT path FROM entries WHERE artifact_id = :key LIMIT :most)",
            {"key": key, "most": most},
        )
        return cursor.rowcount == most

    def commit(self, key: int, number: int) -> None:
        """A version holds its entries from now on, and is in its own collection under this number."""
        count, size, kept = self._db.execute(
            "SELECT COUNT(*), COALESCE(SUM(size), 0), COALESCE(SUM(size) FILTER (WHERE blob IS NOT NULL), 0)"
            " FROM entries WHERE artifact_id = ?",
            (key,),
        ).fetchone()
        self.set(key, state=COMMITTED, version_index=number, file_count=count, size=size, kept=kept)

    def delete(self, key: int) -> None:
        """Delete a version: it is in no collection any more and has no alias. Its bytes stay."""
        self._db.execute("DELETE FROM aliases WHERE artifact_id = ?", (key,))
        self._db.execute("DELETE FROM memberships WHERE artifact_id = ?", (key,))
        self.set(key, state=DELETED)

    def expired(self, now: float) -> Sequence[int]:
        """The versions whose time to live has ended. One that is linked elsewhere lives on, as with W&B."""
        rows = self._db.execute(
            "SELECT id FROM artifacts WHERE ttl > 0 AND state = 'COMMITTED' AND created_at + ttl < ?"
            " AND NOT EXISTS (SELECT 1 FROM memberships WHERE artifact_id = artifacts.id"
            "  AND memberships.collection_id <> artifacts.collection_id)",
            (now,),
        ).fetchall()
        return [row["id"] for row in rows]

    def entries(self, key: int, offset: int = 0, limit: int = -1) -> Sequence[sqlite3.Row]:
        """A page of the files of a version, by path."""
        return self._db.execute(
            "SELECT * FROM entries WHERE artifact_id = ? ORDER BY path LIMIT ? OFFSET ?",
            (key, limit, offset),
        ).fetchall()

    def entry(self, key: int, path: str) -> sqlite3.Row | None:
        """One file of a version."""
        row: sqlite3.Row | None = self._db.execute(
            "SELECT * FROM entries WHERE artifact_id = ? AND path = ?", (key, path)
        ).fetchone()
        return row

    def blob_of(self, key: int, md5: str) -> sqlite3.Row | None:
        """The blob and the size of the file with this MD5 in a version."""
        row: sqlite3.Row | None = self._db.execute(
            "SELECT blob, size FROM entries WHERE artifact_id = ? AND md5 = ? LIMIT 1", (key, md5)
        ).fetchone()
        return row

    def held(self, key: int) -> Mapping[str, Held]:
        """The bytes of a committed version, by their MD5."""
        rows = self._db.execute(
            "SELECT md5, blob, entries.size FROM entries JOIN artifacts ON artifacts.id = artifact_id"
            " WHERE artifact_id = ? AND state = 'COMMITTED' AND blob IS NOT NULL",
            (key,),
        ).fetchall()
        return {row["md5"]: Held(row["blob"], row["size"]) for row in rows}

    def holding(self, md5: str, collection_id: int | None = None) -> Iterator[sqlite3.Row]:
        """The committed versions that hold a file with this MD5, with the `blob` and its `blob_size`.

        Those of a collection, and of its project, come before all others, newer ones before older.
        """
        yield from self._db.execute(
            f"SELECT {FIELDS}, entries.blob, entries.size AS blob_size FROM entries"
            f" JOIN artifacts ON artifacts.id = entries.artifact_id {SOURCES}"
            " WHERE entries.md5 = :md5 AND artifacts.state = 'COMMITTED' ORDER BY"
            " artifacts.collection_id = :collection DESC, collections.project_id ="
            " (SELECT project_id FROM collections WHERE id = :collection) DESC, artifacts.id DESC",
            {"md5": md5, "collection": collection_id},
        )

    def names_blob(self, name: str) -> bool:
        """Whether anything names a blob: a file of a run, its rows, a version, or one that is being made."""
        return bool(self._db.execute(IS_NAMED, {"name": name}).fetchone()[0])

    def link(self, run_id: int, key: int, role: str) -> None:
        """Note that a run made or used a version."""
        self._db.execute("INSERT OR IGNORE INTO lineage VALUES (?, ?, ?)", (run_id, key, role))

    def of_run(self, run_id: int, role: str) -> Sequence[sqlite3.Row]:
        """The committed versions that a run made or used."""
        return self._db.execute(
            f"{_SELECT} JOIN lineage ON lineage.artifact_id = artifacts.id WHERE lineage.run_id = ?"
            " AND lineage.role = ? AND artifacts.state = 'COMMITTED' ORDER BY artifacts.id",
            (run_id, role),
        ).fetchall()

    def runs_of(self, key: int, role: str) -> Sequence[int]:
        """Ids of the runs that made or used a version, oldest first."""
        rows = self._db.execute(
            "SELECT run_id FROM lineage WHERE artifact_id = ? AND role = ? ORDER BY run_id", (key, role)
        ).fetchall()
        return [row["run_id"] for row in rows]

    def _one(self, condition: str, values: tuple[object, ...]) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(f"{_SELECT} WHERE {condition}", values).fetchone()
        return row


FIELDS = (
    "artifacts.*, collections.name AS collection_name, collections.type AS type,"
    " collections.project_id AS project_id, projects.name AS project_name, users.name AS entity_name"
)
"""What a row of a version tells: its columns, and those of the collection that it was made in."""
SOURCES = (
    "JOIN collections ON collections.id = artifacts.collection_id"
    " JOIN projects ON projects.id = collections.project_id JOIN users ON users.id = projects.user_id"
)
_SELECT = f"SELECT {FIELDS} FROM artifacts {SOURCES}"


_IN_MAKING = f"state = 'PENDING' AND updated_at BETWEEN unixepoch() - 604800 AND unixepoch() + {AHEAD_SECONDS}"
IS_NAMED = (
    "SELECT EXISTS (SELECT 1 FROM run_files WHERE blob = :name)"
    " OR EXISTS (SELECT 1 FROM entries JOIN artifacts ON artifacts.id = artifact_id WHERE blob = :name"
    f"  AND (state = 'COMMITTED' OR {_IN_MAKING}))"
    " OR EXISTS (SELECT 1 FROM artifacts WHERE manifest_blob = :name AND state <> 'DELETED')"
    " OR EXISTS (SELECT 1 FROM manifests WHERE blob = :name)"
    " OR EXISTS (SELECT 1 FROM aged WHERE blob = :name)"
    " OR EXISTS (SELECT 1 FROM arrivals JOIN artifacts ON artifacts.id = artifact_id"
    f"  WHERE blob = :name AND {_IN_MAKING})"
)


def _checked(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Column names go into SQL text, so only known ones may pass."""
    if unknown := columns.keys() - COLUMNS:
        raise ValueError(f"artifacts have no column {sorted(unknown)}")
    return dict(columns)
