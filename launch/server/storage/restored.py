"""Runs, sweeps and versions stored with their own times and numbers, as they were elsewhere.

Each verb is part of the caller's transaction. Whether something may be stored, and what it holds, is decided in
`bulk.restoring`.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from launch.server.storage.runs import NEXT_ID

RUN = frozenset(
    {
        "display_name", "state", "started", "config", "summary", "system_metrics", "tags", "notes", "description",
        "group_name", "job_type", "commit_hash", "host", "program", "repo", "sweep_id", "stop_requested",
        "preempting", "exit_code", "created_at", "heartbeat_at",
    }
)  # fmt: skip
SWEEP = frozenset(
    {
        "display_name", "description", "config", "method", "program", "metric", "goal", "state", "size",
        "created_at", "updated_at", "watched", "scheduled", "prior_runs",
    }
)  # fmt: skip
VERSION = frozenset(
    {
        "digest", "description", "metadata", "tags", "run_id", "history_step", "client_id", "sequence_client_id",
        "manifest_digest", "manifest_blob", "commit_hash", "ttl", "created_at", "updated_at",
    }
)  # fmt: skip
COLLECTION = ("description", "tags", "created_at", "updated_at")


class Restored:
    """Storage of what was elsewhere before."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def project(self, key: int, *, description: str | None, created_at: float, runs_made: int) -> None:
        """What a project is told to be, where it tells nothing itself; no run gets the name of an earlier one."""
        self._db.execute(
            "UPDATE projects SET description = COALESCE(description, ?), created_at = MIN(created_at, ?),"
            " runs_made = MAX(runs_made, ?) WHERE id = ?",
            (description, created_at, runs_made, key),
        )

    def run(self, project_id: int, name: str, columns: Mapping[str, Any]) -> int:
        """Store a run and return its id. One of this name that was deleted is not remembered as that any more."""
        self._db.execute(
            "UPDATE deleted_runs SET name = name || '/' || id WHERE project_id = ? AND name = ?",
            (project_id, name),
        )
        values = {"project_id": project_id, "name": name, **_checked(columns, RUN)}
        sql = f"INSERT INTO runs (id, {', '.join(values)}) VALUES ({NEXT_ID}, {', '.join('?' * len(values))})"
        return int(self._db.execute(sql, tuple(values.values())).lastrowid or 0)

    def sweep(self, project_id: int, name: str, columns: Mapping[str, Any]) -> int:
        """Store a sweep and return its id."""
        values = {"project_id": project_id, "name": name, **_checked(columns, SWEEP)}
        return self._insert("sweeps", values)

    def point(self, sweep_id: int, columns: Mapping[str, Any]) -> None:
        """Store a point; of one that is there and that nobody has, who has it."""
        self._db.execute(
            "INSERT INTO points (sweep_id, idx, args, state, run_id, resume, attempts, lost, added, coordinates)"
            " VALUES (:sweep, :idx, :args, :state, :run_id, :resume, :attempts, :lost, :added, :coordinates)"
            " ON CONFLICT (sweep_id, idx) DO UPDATE SET run_id = excluded.run_id, state = excluded.state,"
            " resume = excluded.resume WHERE points.run_id IS NULL AND points.state <> 'claimed'",
            {"sweep": sweep_id, **columns},
        )

    def settle(self, sweep_id: int, state: str, updated_at: float) -> None:
        """Give a sweep its state, now that its points are there."""
        self._db.execute("UPDATE sweeps SET state = ?, updated_at = ? WHERE id = ?", (state, updated_at, sweep_id))

    def file_time(self, run_id: int, name: str, updated_at: float) -> None:
        """When a file of a run was sent."""
        sql = "UPDATE run_files SET updated_at = ? WHERE run_id = ? AND name = ?"
        self._db.execute(sql, (updated_at, run_id, name))

    def numbered(self, collection_id: int, version_index: int) -> sqlite3.Row | None:
        """The version of this number in the collection that it was made in; also one that was deleted."""
        row: sqlite3.Row | None = self._db.execute(
            "SELECT * FROM artifacts WHERE collection_id = ? AND version_index = ?", (collection_id, version_index)
        ).fetchone()
        return row

    def free(self, artifact_id: int) -> None:
        """A version that was deleted gives its number back."""
        self._db.execute("UPDATE artifacts SET version_index = NULL WHERE id = ?", (artifact_id,))

    def version(self, collection_id: int, columns: Mapping[str, Any]) -> int:
        """Store a version that is not committed yet, and return its id."""
        values = {"collection_id": collection_id, "state": "PENDING", **_checked(columns, VERSION)}
        return self._insert("artifacts", values)

    def times(self, artifact_id: int, created_at: float, updated_at: float) -> None:
        """When a version was made and changed."""
        self._db.execute(
            "UPDATE artifacts SET created_at = ?, updated_at = ? WHERE id = ?",
            (created_at, updated_at, artifact_id),
        )

    def collection(self, key: int, columns: Mapping[str, Any]) -> None:
        """What is told of a collection that was just made."""
        self._db.execute(
            "UPDATE collections SET description = :description, tags = :tags, created_at = :created_at,"
            " updated_at = :updated_at WHERE id = :key",
            {"key": key, **{name: columns[name] for name in COLLECTION}},
        )

    def member(self, collection_id: int, artifact_id: int, number: int, placed_at: float, made: int) -> None:
        """A version is in a collection under a number; of `made` that were given."""
        self._db.execute(
            "INSERT OR IGNORE INTO memberships (collection_id, artifact_id, version_index, created_at)"
            " VALUES (?, ?, ?, ?)",
            (collection_id, artifact_id, number, placed_at),
        )
        self._db.execute(
            "UPDATE collections SET versions_made = MAX(versions_made, ?, ?) WHERE id = ?",
            (made, number + 1, collection_id),
        )

    def aliases(self, collection_id: int, artifact_id: int, names: Iterable[str]) -> None:
        """Aliases that no other version has already."""
        self._db.executemany(
            "INSERT OR IGNORE INTO aliases (collection_id, alias, artifact_id) VALUES (?, ?, ?)",
            [(collection_id, name, artifact_id) for name in names],
        )

    def _insert(self, table: str, values: Mapping[str, Any]) -> int:
        sql = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
        return int(self._db.execute(sql, tuple(values.values())).lastrowid or 0)


def _checked(columns: Mapping[str, Any], known: frozenset[str]) -> Mapping[str, Any]:
    """Column names go into SQL text, so only known ones may pass."""
    if unknown := columns.keys() - known:
        raise ValueError(f"there is no column {sorted(unknown)}")
    return columns
