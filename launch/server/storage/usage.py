"""What each user keeps on the server, and how much of it may be: runs, and bytes of all that it holds.

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
        ALTER TABLE runs ADD COLUMN text_bytes INTEGER GENERATED ALWAYS AS (LENGTH(display_name) + LENGTH(config)
            + LENGTH(summary) + LENGTH(system_metrics) + LENGTH(tags) + COALESCE(LENGTH(notes), 0)
            + COALESCE(LENGTH(description), 0) + COALESCE(LENGTH(group_name), 0) + COALESCE(LENGTH(job_type), 0)
            + COALESCE(LENGTH(commit_hash), 0) + COALESCE(LENGTH(host), 0) + COALESCE(LENGTH(program), 0)
            + COALESCE(LENGTH(repo), 0)) VIRTUAL;
        CREATE INDEX runs_by_usage ON runs(project_id, row_bytes, text_bytes);
        ALTER TABLE sweeps ADD COLUMN point_bytes INTEGER NOT NULL DEFAULT 0;
        UPDATE sweeps SET point_bytes =
            (SELECT COALESCE(SUM(LENGTH(args)), 0) FROM points WHERE sweep_id = sweeps.id);
        ALTER TABLE sweeps ADD COLUMN text_bytes INTEGER GENERATED ALWAYS AS (LENGTH(config)
            + COALESCE(LENGTH(display_name), 0) + COALESCE(LENGTH(description), 0)
            + COALESCE(LENGTH(prior_runs), 0)) VIRTUAL;
        """
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def listed(self) -> Sequence[sqlite3.Row]:
        """Each user: `name`, number of `runs`, bytes by kind and in all, and quotas.

        The kinds are `rows`, `texts` (configs, summaries, notes and the like; sweeps with their points; what is
        told of artifacts), `files` and `artifacts` (their files, as far as they are here, and their manifests).
        """
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

    def add_points(self, sweep_id: int, size: int) -> None:
        """Count bytes of points of a sweep."""
        self._db.execute("UPDATE sweeps SET point_bytes = point_bytes + ? WHERE id = ?", (size, sweep_id))

    def add_rows(self, run_id: int, size: int) -> None:
        """Count bytes of rows that a run has sent."""
        self._db.execute("UPDATE runs SET row_bytes = row_bytes + ? WHERE id = ?", (size, run_id))

    def rows_of(self, run_id: int) -> int:
        """The bytes of rows that a run has sent."""
        row = self._db.execute("SELECT row_bytes FROM runs WHERE id = ?", (run_id,)).fetchone()
        return 0 if row is None else int(row["row_bytes"])

    def count_rows(self, run_id: int) -> None:
        """Count the rows of a run anew: it was forked, or taken back to an earlier one."""
        self._db.execute(
            "UPDATE runs SET row_bytes = (SELECT COALESCE(SUM(LENGTH(text)), 0) FROM lines WHERE run_id = :run)"
            " WHERE id = :run",
            {"run": run_id},
        )

    def clear_rows(self, run_id: int) -> None:
        """A run starts over."""
        self._db.execute("UPDATE runs SET row_bytes = 0 WHERE id = ?", (run_id,))


# TOTAL, not SUM: what references claim to be large adds up to more than an integer holds.
_OWN_RUNS = "FROM runs JOIN projects ON projects.id = runs.project_id WHERE projects.user_id = users.id"
_OWN_ARTIFACTS = (
    "FROM artifacts JOIN collections ON collections.id = artifacts.collection_id"
    " JOIN projects ON projects.id = collections.project_id WHERE projects.user_id = users.id"
)


def _total(column: str, source: str) -> str:
    """A sum in SQL. Not SUM: what claims to be large adds up to more than an integer holds."""
    return f"(SELECT CAST(TOTAL({column}) AS INTEGER) {source})"


_SUMS = {
    "rows": [_total("row_bytes", _OWN_RUNS)],
    "texts": [
        _total("text_bytes", _OWN_RUNS),
        _total(
            "text_bytes + point_bytes",
            "FROM sweeps JOIN projects ON projects.id = sweeps.project_id WHERE projects.user_id = users.id",
        ),
        _total("text_bytes", f"{_OWN_ARTIFACTS} AND artifacts.state <> 'DELETED'"),
    ],
    "files": [_total("size", _OWN_RUNS.replace("WHERE", "JOIN run_files ON run_files.run_id = runs.id WHERE"))],
    "artifacts": [
        _total("kept", f"{_OWN_ARTIFACTS} AND artifacts.state = 'COMMITTED'"),
        *(
            _total(
                f"{table}.size",
                _OWN_ARTIFACTS.replace("WHERE", f"JOIN {table} ON {table}.artifact_id = artifacts.id WHERE")
                + f" AND artifacts.state {states}",
            )
            for table, states in (("arrivals", "= 'PENDING'"), ("manifests", "<> 'DELETED'"))
        ),
    ],
}
_COLUMNS = ", ".join(f"{' + '.join(sums)} AS {kind}" for kind, sums in _SUMS.items())
_ALL = (
    f"SELECT used.*, {' + '.join(f'used.{kind}' for kind in _SUMS)} AS bytes, quotas.runs AS most_runs,"
    " quotas.bytes AS most_bytes FROM (SELECT users.id, users.name,"
    f" (SELECT COUNT(*) {_OWN_RUNS}) AS runs,"
    f" {_COLUMNS}"
    " FROM users) AS used JOIN users ON users.id = used.id LEFT JOIN quotas ON quotas.user_id = used.id"
)
