"""What each user keeps on the server, and how much of it may be: runs, and bytes of rows, files and artifacts.

Everything in a project counts for the project's owner, whoever made it. Bytes count as often as they are named,
though the disk may hold them once: what one user keeps does not depend on what another deletes.
"""

import sqlite3
from collections.abc import Sequence
from typing import ClassVar

from launch.server.storage.store import Steps


class Usage:
    """Storage of quotas, and sums over everything else."""

    MIGRATIONS: ClassVar[Steps] = {
        7: """
        CREATE TABLE quotas (
            user_id INTEGER PRIMARY KEY REFERENCES users(id) ON DELETE CASCADE,
            runs INTEGER,
            bytes INTEGER
        );
        ALTER TABLE runs ADD COLUMN row_bytes INTEGER NOT NULL DEFAULT 0;
        UPDATE runs SET row_bytes =
            (SELECT COALESCE(SUM(LENGTH(text)), 0) FROM lines WHERE run_id = runs.id);
        """
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def listed(self) -> Sequence[sqlite3.Row]:
        """Each user: `name`, number of `runs`, bytes of `rows`, `files`, `artifacts` and in all, and quotas."""
        return self._db.execute(f"{_ALL} ORDER BY users.id").fetchall()

    def of(self, user_id: int) -> sqlite3.Row:
        """One user, as `listed`."""
        row: sqlite3.Row = self._db.execute(f"{_ALL} WHERE users.id = ?", (user_id,)).fetchone()
        return row

    def quota(self, user_id: int) -> sqlite3.Row | None:
        """How many `runs` and `bytes` a user may keep, each null for no end; None if there is no quota."""
        row: sqlite3.Row | None = self._db.execute(
            "SELECT runs, bytes FROM quotas WHERE user_id = ?", (user_id,)
        ).fetchone()
        return row

    def limit(self, user_id: int, *, runs: int | None, size: int | None) -> None:
        """Set how many runs and bytes a user may keep; None for no end."""
        self._db.execute(
            "INSERT INTO quotas VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET runs = excluded.runs, bytes = excluded.bytes",
            (user_id, runs, size),
        )

    def add_rows(self, run_id: int, size: int) -> None:
        """Count bytes of rows that a run has sent."""
        self._db.execute("UPDATE runs SET row_bytes = row_bytes + ? WHERE id = ?", (size, run_id))

    def clear_rows(self, run_id: int) -> None:
        """A run starts over."""
        self._db.execute("UPDATE runs SET row_bytes = 0 WHERE id = ?", (run_id,))


_OWN_RUNS = "FROM runs JOIN projects ON projects.id = runs.project_id"
_ALL = (
    "SELECT used.*, used.rows + used.files + used.artifacts AS bytes, quotas.runs AS most_runs,"
    " quotas.bytes AS most_bytes FROM (SELECT users.id, users.name,"
    f" (SELECT COUNT(*) {_OWN_RUNS} WHERE projects.user_id = users.id) AS runs,"
    f" (SELECT COALESCE(SUM(row_bytes), 0) {_OWN_RUNS} WHERE projects.user_id = users.id) AS rows,"
    f" (SELECT COALESCE(SUM(run_files.size), 0) {_OWN_RUNS} JOIN run_files ON run_files.run_id = runs.id"
    "   WHERE projects.user_id = users.id) AS files,"
    " (SELECT COALESCE(SUM(artifacts.size), 0) FROM artifacts"
    "   JOIN collections ON collections.id = artifacts.collection_id"
    "   JOIN projects ON projects.id = collections.project_id"
    "   WHERE projects.user_id = users.id AND artifacts.state = 'COMMITTED')"
    " + (SELECT COALESCE(SUM(arrivals.size), 0) FROM arrivals"
    "   JOIN artifacts ON artifacts.id = arrivals.artifact_id"
    "   JOIN collections ON collections.id = artifacts.collection_id"
    "   JOIN projects ON projects.id = collections.project_id"
    "   WHERE projects.user_id = users.id AND artifacts.state = 'PENDING') AS artifacts"
    " FROM users) AS used JOIN users ON users.id = used.id LEFT JOIN quotas ON quotas.user_id = used.id"
)
