"""How far the runs of a sweep with a metric are: iterations, the best loss, and the loss at each band.

Kept up to date as rows arrive, so that nobody reads a whole history to judge a run. Lower is better. What a band
is, and who is stopped, `search.hyperband` and `search.watch` decide.
"""

import sqlite3
from collections.abc import Sequence
from typing import ClassVar

from launch.server.storage.store import Steps


class Rungs:
    """Storage of progress. Each verb is part of the caller's transaction."""

    MIGRATIONS: ClassVar[Steps] = {
        3: """
        CREATE TABLE progress (
            run_id INTEGER PRIMARY KEY REFERENCES runs(id) ON DELETE CASCADE,
            lines INTEGER NOT NULL,
            count INTEGER NOT NULL,
            best REAL
        );
        CREATE TABLE rungs (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            band INTEGER NOT NULL,
            sweep_id INTEGER NOT NULL REFERENCES sweeps(id),
            loss REAL NOT NULL,
            PRIMARY KEY (run_id, band)
        ) WITHOUT ROWID;
        CREATE INDEX rungs_by_band ON rungs(sweep_id, band, loss);
        """
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def progress(self, run_id: int) -> sqlite3.Row | None:
        """The lines of history that were looked at, the iterations in them, and the best loss."""
        row: sqlite3.Row | None = self._db.execute(
            "SELECT lines, count, best FROM progress WHERE run_id = ?", (run_id,)
        ).fetchone()
        return row

    def summaries(self, sweep_id: int) -> Sequence[sqlite3.Row]:
        """Each run of a sweep: its `run_id`, its `summary`, and, where rows came, its progress."""
        return self._db.execute(
            "SELECT runs.id AS run_id, runs.summary, progress.lines, progress.best FROM runs"
            " LEFT JOIN progress ON progress.run_id = runs.id WHERE runs.sweep_id = ?",
            (sweep_id,),
        ).fetchall()

    def note(self, run_id: int, *, lines: int, count: int, best: float | None) -> None:
        """Store how far a run is."""
        self._db.execute(
            "INSERT INTO progress (run_id, lines, count, best) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET lines = excluded.lines, count = excluded.count, best = excluded.best",
            (run_id, lines, count, best),
        )

    def add(self, run_id: int, sweep_id: int, band: int, loss: float) -> None:
        """Note the loss with which a run passes a band."""
        self._db.execute(
            "INSERT INTO rungs (run_id, band, sweep_id, loss) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET loss = excluded.loss",
            (run_id, band, sweep_id, loss),
        )

    def loss(self, run_id: int, band: int) -> float | None:
        """The loss with which a run passed a band; None if it has not."""
        row = self._db.execute("SELECT loss FROM rungs WHERE run_id = ? AND band = ?", (run_id, band)).fetchone()
        return None if row is None else float(row["loss"])

    def count(self, sweep_id: int, band: int) -> int:
        """How many runs of a sweep have passed a band."""
        row = self._db.execute(
            "SELECT COUNT(*) FROM rungs WHERE sweep_id = ? AND band = ?", (sweep_id, band)
        ).fetchone()
        return int(row[0])

    def ranked(self, sweep_id: int, band: int, place: int) -> float | None:
        """The loss at a place among those of a band, the lowest at place 0; None if there are not so many."""
        row = self._db.execute(
            "SELECT loss FROM rungs WHERE sweep_id = ? AND band = ? ORDER BY loss LIMIT 1 OFFSET ?",
            (sweep_id, band, place),
        ).fetchone()
        return None if row is None else float(row["loss"])

    def clear(self, run_id: int) -> None:
        """Forget a run's progress: its rows are counted once more."""
        self._db.execute("DELETE FROM progress WHERE run_id = ?", (run_id,))
        self._db.execute("DELETE FROM rungs WHERE run_id = ?", (run_id,))
