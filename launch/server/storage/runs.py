"""Runs: what a process reports of itself. Rows of history are `lines.Lines`; states are decided in `lifecycle`."""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from launch.server.storage.store import Steps

PENDING, RUNNING, FINISHED, FAILED = "pending", "running", "finished", "failed"
CRASHED, KILLED, PREEMPTED = "crashed", "killed", "preempted"
ALIVE = (PENDING, RUNNING)

COLUMNS = frozenset(
    {
        "display_name",
        "state",
        "started",
        "config",
        "summary",
        "system_metrics",
        "tags",
        "notes",
        "description",
        "group_name",
        "job_type",
        "commit_hash",
        "host",
        "program",
        "repo",
        "sweep_id",
        "agent_id",
        "stop_requested",
        "preempting",
        "exit_code",
        "heartbeat_at",
    }
)
SHOWN = frozenset(
    ("display_name", "state", "config", "summary", "tags", "notes", "group_name", "job_type", "sweep_id")
)
"""The columns with which a run gets its next `revision`: what lists of runs show."""
NEXT_ID = "(SELECT 1 + MAX(COALESCE(MAX(id), 0), (SELECT COALESCE(MAX(id), 0) FROM deleted_runs)) FROM runs)"
"""The id of the next run. Those of deleted runs are not given again: somebody may still hold them."""
Filter = tuple[str, Sequence[object]]
"""A condition in SQL, and its values."""


class Runs:
    """Storage of runs."""

    MIGRATIONS: ClassVar[Steps] = {
        1: """
        CREATE TABLE runs (
            id INTEGER PRIMARY KEY,
            project_id INTEGER NOT NULL REFERENCES projects(id),
            name TEXT NOT NULL,
            display_name TEXT NOT NULL,
            state TEXT NOT NULL,
            started INTEGER NOT NULL DEFAULT 0,
            config TEXT NOT NULL DEFAULT '{}',
            summary TEXT NOT NULL DEFAULT '{}',
            system_metrics TEXT NOT NULL DEFAULT '{}',
            tags TEXT NOT NULL DEFAULT '[]',
            notes TEXT, description TEXT, group_name TEXT, job_type TEXT,
            commit_hash TEXT, host TEXT, program TEXT, repo TEXT,
            sweep_id INTEGER REFERENCES sweeps(id),
            agent_id INTEGER REFERENCES agents(id),
            stop_requested INTEGER NOT NULL DEFAULT 0,
            preempting INTEGER NOT NULL DEFAULT 0,
            exit_code INTEGER,
            created_at REAL NOT NULL,
            heartbeat_at REAL NOT NULL,
            UNIQUE (project_id, name)
        );
        CREATE INDEX runs_by_sweep ON runs(sweep_id, id);
        CREATE INDEX runs_by_agent ON runs(agent_id);
        CREATE INDEX runs_alive ON runs(heartbeat_at) WHERE state IN ('pending', 'running');
        """,
        4: "CREATE INDEX runs_by_project ON runs(project_id, id);",
        6: """
        CREATE TABLE deleted_runs (
            id INTEGER PRIMARY KEY,
            project_id INTEGER NOT NULL,
            name TEXT NOT NULL,
            UNIQUE (project_id, name)
        );
        """,
        8: """
        CREATE TABLE run_revision (last INTEGER NOT NULL);
        INSERT INTO run_revision VALUES (0);
        ALTER TABLE runs ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
        CREATE INDEX runs_by_sweep_revision ON runs(sweep_id, revision);
        CREATE INDEX runs_by_project_revision ON runs(project_id, revision);
        CREATE INDEX runs_failed ON runs(sweep_id) WHERE state IN ('failed', 'crashed', 'killed');
        CREATE TRIGGER runs_added AFTER INSERT ON runs BEGIN
            UPDATE run_revision SET last = last + 1;
            UPDATE runs SET revision = (SELECT last FROM run_revision) WHERE id = NEW.id;
        END;
        """,
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, project_id: int, name: str, **columns: object) -> int:
        """Store a new run and return its id.

        Raises:
            sqlite3.IntegrityError: the project has a run of this name.
        """
        now = time.time()
        values = {
            "project_id": project_id,
            "name": name,
            "created_at": now,
            "heartbeat_at": now,
            **_checked(columns),
        }
        sql = f"INSERT INTO runs (id, {', '.join(values)}) VALUES ({NEXT_ID}, {', '.join('?' * len(values))})"
        return int(self._db.execute(sql, tuple(values.values())).lastrowid or 0)

    def set(self, key: int, **columns: object) -> None:
        """Store new values of some columns."""
        values = _checked(columns)
        if values:
            assignments = ", ".join(f"{name} = ?" for name in values)
            if not SHOWN.isdisjoint(values):
                self._db.execute("UPDATE run_revision SET last = last + 1")
                assignments += ", revision = (SELECT last FROM run_revision)"
            self._db.execute(f"UPDATE runs SET {assignments} WHERE id = ?", (*values.values(), key))

    def by_id(self, key: int) -> sqlite3.Row | None:
        """The run with this id."""
        return self._one("runs.id = ?", (key,))

    def by_name(self, project_id: int, name: str) -> sqlite3.Row | None:
        """The run of this name (the id that users see) in a project."""
        return self._one("runs.project_id = ? AND runs.name = ?", (project_id, name))

    def exists(self, project_id: int, name: str) -> bool:
        """Whether a project has a run of this name."""
        sql = "SELECT 1 FROM runs WHERE project_id = ? AND name = ?"
        return self._db.execute(sql, (project_id, name)).fetchone() is not None

    def deleted_from(self, key: int) -> int | None:
        """The project that a deleted run was in; None if there was no such run, or it is there."""
        row = self._db.execute("SELECT project_id FROM deleted_runs WHERE id = ?", (key,)).fetchone()
        return None if row is None else int(row["project_id"])

    def was_deleted(self, project_id: int, name: str) -> bool:
        """Whether a project had a run of this name that was deleted."""
        sql = "SELECT 1 FROM deleted_runs WHERE project_id = ? AND name = ?"
        return self._db.execute(sql, (project_id, name)).fetchone() is not None

    def beat(self, key: int, now: float) -> None:
        """Note a sign of life."""
        self._db.execute("UPDATE runs SET heartbeat_at = ? WHERE id = ?", (now, key))

    def not_ahead(self, now: float) -> None:
        """No living run gave its last sign of life later than now: the clock was set back."""
        self._db.execute(
            "UPDATE runs SET heartbeat_at = ? WHERE state IN ('pending', 'running') AND heartbeat_at > ?",
            (now, now),
        )

    def silent_since(self, moment: float) -> Sequence[int]:
        """Ids of runs without a grid point that claim to be alive but gave no sign since `moment`."""
        rows = self._db.execute(
            "SELECT id FROM runs WHERE state IN ('pending', 'running') AND heartbeat_at < ? AND started = 1"
            " AND NOT EXISTS (SELECT 1 FROM points WHERE points.run_id = runs.id AND points.state = 'claimed')",
            (moment,),
        ).fetchall()
        return [row["id"] for row in rows]

    def listed(
        self, where: Filter, order: str = "runs.id ASC", offset: int = 0, limit: int = -1
    ) -> Sequence[sqlite3.Row]:
        """Runs that meet a condition. `order` is SQL made by this package, never a user's text.

        The page is cut from the ids before any config or summary is read: rows are large, and most are not on it.
        """
        condition, values = where
        page = f"SELECT runs.id FROM {_source(condition)} WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"
        return self._db.execute(
            f"{_SELECT} WHERE runs.id IN ({page}) ORDER BY {order}", (*values, limit, offset)
        ).fetchall()

    def told(self, scope: str, key: int) -> sqlite3.Cursor:
        """What a table shows of each run. `scope`: the column, `sweep_id` or `project_id`, that is `key`."""
        return self._db.execute(f"{_TOLD} WHERE {_scope(scope)} = ? ORDER BY runs.id", (key,))

    def changed(self, scope: str, key: int, since: int, limit: int) -> Sequence[sqlite3.Row]:
        """As `told`, of the runs that changed after a revision, in the order in which they did."""
        sql = f"{_TOLD} WHERE {_scope(scope)} = ? AND revision > ? ORDER BY revision LIMIT ?"
        return self._db.execute(sql, (key, since, limit)).fetchall()

    def last_revision(self, scope: str, key: int) -> int:
        """The revision of the run that changed last."""
        row = self._db.execute(f"SELECT MAX(revision) FROM runs WHERE {_scope(scope)} = ?", (key,)).fetchone()
        return int(row[0] or 0)

    def by_ids(self, keys: Sequence[int]) -> Sequence[sqlite3.Row]:
        """The runs with these ids that are still here, in this order."""
        marks = ", ".join("?" * len(keys))
        found = self._db.execute(f"{_SELECT} WHERE runs.id IN ({marks})", tuple(keys)).fetchall()
        rows = {row["id"]: row for row in found}
        return [rows[key] for key in keys if key in rows]

    def count(self, where: Filter) -> int:
        """The number of runs that meet a condition."""
        condition, values = where
        sql = f"SELECT COUNT(*) FROM {_source(condition)} WHERE {condition}"
        row = self._db.execute(sql, tuple(values)).fetchone()
        return int(row[0])

    def states(self, sweep_id: int) -> dict[str, int]:
        """Number of a sweep's runs by state."""
        rows = self._db.execute(
            "SELECT state, COUNT(*) AS n FROM runs WHERE sweep_id = ? GROUP BY state", (sweep_id,)
        ).fetchall()
        return {row["state"]: row["n"] for row in rows}

    def delete(self, key: int) -> None:
        """Forget a run, its rows and its files, but not that it was there; its artifacts stay."""
        self._db.execute(
            "INSERT INTO deleted_runs (id, project_id, name) SELECT id, project_id, name FROM runs WHERE id = ?",
            (key,),
        )
        self._db.execute("DELETE FROM runs WHERE id = ?", (key,))

    def _one(self, condition: str, values: tuple[object, ...]) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(f"{_SELECT} WHERE {condition}", values).fetchone()
        return row


_SELECT = (
    "SELECT runs.*, projects.name AS project_name, users.name AS entity_name, sweeps.name AS sweep_name FROM runs"
    " JOIN projects ON projects.id = runs.project_id JOIN users ON users.id = projects.user_id"
    " LEFT JOIN sweeps ON sweeps.id = runs.sweep_id"
)


_TOLD = (
    "SELECT runs.id, name, display_name, state, config, summary, tags, group_name, job_type, created_at, revision"
    " FROM runs"
)


def _scope(column: str) -> str:
    """The column by which runs belong together; its name goes into SQL, so only known ones may pass."""
    if column not in ("sweep_id", "project_id"):
        raise ValueError(f"runs do not belong together by {column}")
    return column


def _source(condition: str) -> str:
    """The runs, with their sweeps only if a condition looks at them."""
    return "runs LEFT JOIN sweeps ON sweeps.id = runs.sweep_id" if "sweeps." in condition else "runs"


def _checked(columns: Mapping[str, Any]) -> Mapping[str, Any]:
    """Column names go into SQL text, so only known ones may pass."""
    if unknown := columns.keys() - COLUMNS:
        raise ValueError(f"runs have no column {sorted(unknown)}")
    return columns
