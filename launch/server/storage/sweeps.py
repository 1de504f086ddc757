"""Sweeps: their definition and state. The points are `points.Points`, who works on them `agents.Agents`."""

import sqlite3
import time
from collections.abc import Sequence
from typing import ClassVar

from launch.server.storage.store import Steps

RUNNING, PAUSED, FINISHED, CANCELED = "RUNNING", "PAUSED", "FINISHED", "CANCELED"
STATES = (RUNNING, PAUSED, FINISHED, CANCELED)
DELETED = "DELETED"
"""The state of a sweep that is being deleted and that nobody is told of any more."""
NO_END = -1
"""The size of a sweep that draws points for as long as agents ask."""


class Sweeps:
    """Storage of sweeps."""

    MIGRATIONS: ClassVar[Steps] = {
        1: """
        CREATE TABLE sweeps (
            id INTEGER PRIMARY KEY,
            project_id INTEGER NOT NULL REFERENCES projects(id),
            name TEXT NOT NULL,
            display_name TEXT,
            description TEXT,
            config TEXT NOT NULL,
            method TEXT NOT NULL,
            program TEXT,
            metric TEXT,
            goal TEXT,
            state TEXT NOT NULL,
            size INTEGER NOT NULL,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL,
            UNIQUE (project_id, name)
        );
        """,
        3: "ALTER TABLE sweeps ADD COLUMN watched INTEGER NOT NULL DEFAULT 0;",
        4: "ALTER TABLE sweeps ADD COLUMN prior_runs TEXT;",
        7: "ALTER TABLE sweeps ADD COLUMN scheduled INTEGER NOT NULL DEFAULT 0;",
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, project_id: int, name: str, config: str, **columns: object) -> int:
        """Store a new, running sweep and return its id."""
        now = time.time()
        values = {
            "project_id": project_id,
            "name": name,
            "config": config,
            "state": RUNNING,
            "created_at": now,
            "updated_at": now,
            **columns,
        }
        names = ", ".join(values)
        marks = ", ".join("?" * len(values))
        cursor = self._db.execute(f"INSERT INTO sweeps ({names}) VALUES ({marks})", tuple(values.values()))
        return int(cursor.lastrowid or 0)

    def by_id(self, key: int) -> sqlite3.Row | None:
        """The sweep with this id."""
        row: sqlite3.Row | None = self._db.execute(
            "SELECT * FROM sweeps WHERE id = ? AND state <> ?", (key, DELETED)
        ).fetchone()
        return row

    def by_name(self, project_id: int, name: str) -> sqlite3.Row | None:
        """The sweep of this short name in a project."""
        row: sqlite3.Row | None = self._db.execute(
            "SELECT * FROM sweeps WHERE project_id = ? AND name = ?", (project_id, name)
        ).fetchone()
        return row

    def metric(self, key: int) -> sqlite3.Row | None:
        """The name and the goal of a sweep's metric, both null if it has none."""
        row: sqlite3.Row | None = self._db.execute(
            "SELECT metric, goal FROM sweeps WHERE id = ?", (key,)
        ).fetchone()
        return row

    def watched(self, key: int) -> str | None:
        """The definition of a sweep whose runs can be stopped as they log, or end it; None for every other."""
        sql = "SELECT config FROM sweeps WHERE id = ? AND watched = 1"
        row = self._db.execute(sql, (key,)).fetchone()
        return None if row is None else str(row["config"])

    def is_touched(self, key: int) -> bool:
        """Whether anybody has worked on a sweep: it has an agent or a run."""
        row = self._db.execute(
            "SELECT EXISTS (SELECT 1 FROM agents WHERE sweep_id = :key)"
            " OR EXISTS (SELECT 1 FROM runs WHERE sweep_id = :key)",
            {"key": key},
        ).fetchone()
        return bool(row[0])

    def listed(self, project_id: int, offset: int = 0, limit: int = -1) -> Sequence[sqlite3.Row]:
        """A page of a project's sweeps, newest first."""
        return self._db.execute(
            "SELECT * FROM sweeps WHERE project_id = ? AND state <> ? ORDER BY id DESC LIMIT ? OFFSET ?",
            (project_id, DELETED, limit, offset),
        ).fetchall()

    def count(self, project_id: int) -> int:
        """The number of sweeps of a project."""
        sql = "SELECT COUNT(*) FROM sweeps WHERE project_id = ? AND state <> ?"
        row = self._db.execute(sql, (project_id, DELETED)).fetchone()
        return int(row[0])

    def set_state(self, key: int, state: str) -> None:
        """Store a new state."""
        self._db.execute("UPDATE sweeps SET state = ?, updated_at = ? WHERE id = ?", (state, time.time(), key))

    def hide(self, key: int) -> None:
        """Tell nobody of a sweep any more. Its name is free, and its runs belong to no sweep."""
        self._db.execute("UPDATE runs SET sweep_id = NULL, agent_id = NULL WHERE sweep_id = ?", (key,))
        self._db.execute(
            "UPDATE sweeps SET state = ?, name = name || '/' || id, watched = 0 WHERE id = ?", (DELETED, key)
        )

    def hidden(self) -> list[int]:
        """The sweeps that nobody is told of."""
        rows = self._db.execute("SELECT id FROM sweeps WHERE state = ?", (DELETED,)).fetchall()
        return [row["id"] for row in rows]

    def delete(self, key: int) -> None:
        """Forget a sweep that has no points any more, and its agents."""
        for table in ("rungs", "points", "agents"):
            self._db.execute(f"DELETE FROM {table} WHERE sweep_id = ?", (key,))
        self._db.execute("DELETE FROM sweeps WHERE id = ?", (key,))

    def finish(self, key: int) -> None:
        """Finish a sweep that runs or waits: no new runs are handed out, those that run go on to their end."""
        self._db.execute(
            "UPDATE sweeps SET state = ?, updated_at = ? WHERE id = ? AND state IN (?, ?)",
            (FINISHED, time.time(), key, RUNNING, PAUSED),
        )

    def grow(self, key: int) -> None:
        """One more run belongs to a sweep. One that had finished goes on for it, and draws nothing more.

        The runs of a sweep that a scheduler fills all come so: its size is its cap, and stays.
        """
        self._db.execute(
            "UPDATE sweeps SET size = CASE WHEN scheduled THEN size"
            "  WHEN method <> 'grid' AND state = 'FINISHED' THEN"
            "   (SELECT MAX(idx) + 1 FROM points WHERE sweep_id = sweeps.id)"
            "  WHEN size = ? THEN size ELSE size + 1 END,"
            " state = CASE state WHEN ? THEN ? ELSE state END, updated_at = ? WHERE id = ?",
            (NO_END, FINISHED, RUNNING, time.time(), key),
        )

    def shrink(self, key: int) -> None:
        """A run that had been added to a sweep is gone, and nobody had worked on it."""
        self._db.execute(
            "UPDATE sweeps SET size = size - 1 WHERE id = ? AND size <> ? AND NOT scheduled", (key, NO_END)
        )

    def redefine(self, key: int, config: str) -> None:
        """Store another definition of a grid, whose points are stored already. One that had finished goes on."""
        self._db.execute(
            "UPDATE sweeps SET config = ?, size = (SELECT COUNT(*) FROM points WHERE sweep_id = sweeps.id),"
            " state = CASE WHEN state = ? AND EXISTS (SELECT 1 FROM points WHERE sweep_id = sweeps.id AND"
            " points.state = 'pending') THEN ? ELSE state END, updated_at = ? WHERE id = ?",
            (config, FINISHED, RUNNING, time.time(), key),
        )

    def rename(self, key: int, display_name: str | None, description: str | None) -> None:
        """Store a display name or a description; None leaves the old one."""
        self._db.execute(
            "UPDATE sweeps SET display_name = COALESCE(?, display_name), description = COALESCE(?, description),"
            " updated_at = ? WHERE id = ?",
            (display_name, description, time.time(), key),
        )

    def finish_if_done(self, key: int) -> bool:
        """Finish a running sweep whose points have all been stored and have ended; whether it did."""
        cursor = self._db.execute(
            "UPDATE sweeps SET state = ?, updated_at = ? WHERE id = ? AND state = ? AND NOT EXISTS"
            " (SELECT 1 FROM points WHERE sweep_id = sweeps.id AND state IN ('pending', 'claimed'))"
            " AND (method = 'grid' AND NOT scheduled OR size <> ? AND size <="
            "  (SELECT MAX(idx) + 1 FROM points WHERE sweep_id = sweeps.id))",
            (FINISHED, time.time(), key, RUNNING, NO_END),
        )
        return cursor.rowcount > 0
