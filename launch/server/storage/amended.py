"""Steps of the schema that were published and edited afterwards, and what a database of the first edition lacks.

A step is never edited; these two were, before that was a rule. A database that took a step in its first edition
has its number, and would go without the rest for ever. So before anything else is migrated it gets what is
missing, told by a column or table that is not there.
"""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True)
class Amendment:
    """What came late to a step: the databases of `step` or above whose `table` has no `column` get it."""

    step: int
    table: str
    column: str
    script: str


AMENDMENTS = (
    Amendment(4, "sweeps", "prior_runs", "ALTER TABLE sweeps ADD COLUMN prior_runs TEXT;"),
    Amendment(
        4,
        "writers",
        "run_id",
        """
        CREATE TABLE writers (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            stream TEXT NOT NULL,
            writer TEXT NOT NULL,
            line INTEGER NOT NULL,
            place INTEGER NOT NULL,
            PRIMARY KEY (run_id, stream, writer, line)
        ) WITHOUT ROWID;
        """,
    ),
    Amendment(
        7,
        "sessions",
        "digest",
        """
        CREATE TABLE sessions (
            digest TEXT PRIMARY KEY,
            user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
            key_digest TEXT NOT NULL,
            expires_at REAL NOT NULL
        ) WITHOUT ROWID;
        """,
    ),
    Amendment(
        7,
        "quotas",
        "user_id",
        """
        CREATE TABLE quotas (
            user_id INTEGER PRIMARY KEY REFERENCES users(id) ON DELETE CASCADE,
            runs INTEGER,
            bytes INTEGER
        );
        """,
    ),
    Amendment(
        7,
        "runs",
        "row_bytes",
        """
        ALTER TABLE runs ADD COLUMN row_bytes INTEGER NOT NULL DEFAULT 0;
        UPDATE runs SET row_bytes =
            (SELECT COALESCE(SUM(LENGTH(text)), 0) FROM lines WHERE run_id = runs.id);
        """,
    ),
    Amendment(
        7,
        "runs",
        "text_bytes",
        """
        ALTER TABLE runs ADD COLUMN text_bytes INTEGER GENERATED ALWAYS AS (LENGTH(display_name) + LENGTH(config)
            + LENGTH(summary) + LENGTH(system_metrics) + LENGTH(tags) + COALESCE(LENGTH(notes), 0)
            + COALESCE(LENGTH(description), 0) + COALESCE(LENGTH(group_name), 0) + COALESCE(LENGTH(job_type), 0)
            + COALESCE(LENGTH(commit_hash), 0) + COALESCE(LENGTH(host), 0) + COALESCE(LENGTH(program), 0)
            + COALESCE(LENGTH(repo), 0)) VIRTUAL;
        CREATE INDEX runs_by_usage ON runs(project_id, row_bytes, text_bytes);
        """,
    ),
    Amendment(7, "points", "added", "ALTER TABLE points ADD COLUMN added INTEGER NOT NULL DEFAULT 0;"),
    Amendment(7, "sweeps", "scheduled", "ALTER TABLE sweeps ADD COLUMN scheduled INTEGER NOT NULL DEFAULT 0;"),
    Amendment(
        7,
        "sweeps",
        "point_bytes",
        """
        ALTER TABLE sweeps ADD COLUMN point_bytes INTEGER NOT NULL DEFAULT 0;
        UPDATE sweeps SET point_bytes =
            (SELECT COALESCE(SUM(LENGTH(args)), 0) FROM points WHERE sweep_id = sweeps.id);
        ALTER TABLE sweeps ADD COLUMN text_bytes INTEGER GENERATED ALWAYS AS (LENGTH(config)
            + COALESCE(LENGTH(display_name), 0) + COALESCE(LENGTH(description), 0)
            + COALESCE(LENGTH(prior_runs), 0)) VIRTUAL;
        """,
    ),
    Amendment(
        7,
        "artifacts",
        "kept",
        """
        ALTER TABLE artifacts ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
        UPDATE artifacts SET kept =
            (SELECT COALESCE(SUM(size), 0) FROM entries WHERE artifact_id = artifacts.id AND blob IS NOT NULL);
        ALTER TABLE artifacts ADD COLUMN text_bytes INTEGER GENERATED ALWAYS AS (LENGTH(digest) + LENGTH(tags)
            + LENGTH(pending_aliases) + COALESCE(LENGTH(description), 0) + COALESCE(LENGTH(metadata), 0)
            + COALESCE(LENGTH(client_id), 0) + COALESCE(LENGTH(sequence_client_id), 0)
            + COALESCE(LENGTH(distributed_id), 0)) VIRTUAL;
        CREATE INDEX artifacts_by_usage ON artifacts(collection_id, state, kept, text_bytes);
        """,
    ),
    Amendment(7, "manifests", "size", "ALTER TABLE manifests ADD COLUMN size INTEGER NOT NULL DEFAULT 0;"),
)
ARRIVALS = """
    CREATE TABLE arrivals_amended (
            artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
            md5 TEXT NOT NULL,
            user_id INTEGER NOT NULL,
            blob TEXT,
            size INTEGER,
            PRIMARY KEY (artifact_id, md5, user_id)
        ) WITHOUT ROWID;
    INSERT INTO arrivals_amended SELECT artifact_id, md5, user_id, blob, size FROM arrivals;
    DROP TABLE arrivals;
    ALTER TABLE arrivals_amended RENAME TO arrivals;
    CREATE INDEX arrivals_by_user ON arrivals(user_id, md5) WHERE blob IS NOT NULL;
    CREATE INDEX arrivals_by_blob ON arrivals(blob) WHERE blob IS NOT NULL;
"""
"""The key of what was sent had no user in it at first."""


def scripts(db: sqlite3.Connection, version: int) -> list[str]:
    """What a database with this number lacks of steps that it has taken, in order."""
    found = [
        item.script for item in AMENDMENTS if item.step <= version and item.column not in _columns(db, item.table)
    ]
    if version >= 7 and not _columns(db, "arrivals").get("user_id"):
        found.append(ARRIVALS)
    return found


def _columns(db: sqlite3.Connection, table: str) -> dict[str, int]:
    """The columns of a table, and the place of each in its primary key (from 1; 0: not in it)."""
    return {row[1]: row[5] for row in db.execute(f"PRAGMA table_xinfo({table})")}
