"""The points of sweeps and who holds them: each is handed out once, and once more only if its run is lost.

The points of a grid are stored with the sweep, those of other methods one at a time, when they are drawn.

    pending ──claim──▶ claimed ──end──▶ ended
       ▲                  │
       └──── release ─────┘   the lease ran out: the run is lost, but stays noted as the last holder

A point names its last holder (`run_id`) until another run claims it. So a run that was taken for lost and
completes after all ends its point if nobody else has taken it, and ends nothing if somebody has. `attempts` counts
how often it was told to an agent since a run of it last started, `lost` how many of its runs were lost; runs that
were preempted or interrupted count nowhere. This module does not know what becomes of a run: `lifecycle` does.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import ClassVar

from launch.server.storage.store import Steps

PENDING, CLAIMED, ENDED = "pending", "claimed", "ended"
NEXT_PENDING = (
    "SELECT idx, args, resume, run_id FROM points INDEXED BY points_by_state"
    " WHERE sweep_id = ? AND state = 'pending' ORDER BY idx LIMIT 1"
)


class Points:
    """Storage of the points of sweeps. Each verb is part of the caller's transaction."""

    MIGRATIONS: ClassVar[Steps] = {
        1: """
        CREATE TABLE points (
            sweep_id INTEGER NOT NULL REFERENCES sweeps(id),
            idx INTEGER NOT NULL,
            args TEXT NOT NULL,
            state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'claimed', 'ended')),
            run_id INTEGER REFERENCES runs(id) ON DELETE SET NULL,
            agent_id INTEGER REFERENCES agents(id),
            lease_until REAL,
            resume INTEGER NOT NULL DEFAULT 0,
            attempts INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (sweep_id, idx)
        ) WITHOUT ROWID;
        CREATE INDEX points_by_state ON points(sweep_id, state, idx);
        CREATE UNIQUE INDEX points_by_run ON points(run_id) WHERE run_id IS NOT NULL;
        CREATE INDEX points_by_lease ON points(lease_until) WHERE state = 'claimed';
        CREATE INDEX points_by_agent ON points(agent_id) WHERE state = 'claimed';
        """,
        3: "ALTER TABLE points ADD COLUMN coordinates TEXT;",
        5: """
        ALTER TABLE points ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
        UPDATE points SET lost = MAX(attempts - 1, 0) WHERE state <> 'ended';
        UPDATE points SET attempts = 0;
        """,
        7: "ALTER TABLE points ADD COLUMN added INTEGER NOT NULL DEFAULT 0;",
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, sweep_id: int, args: Iterable[str], first: int = 0) -> None:
        """Store points of a new sweep, in order from number `first`; each is a JSON object {parameter: value}."""
        self._db.executemany(
            "INSERT INTO points (sweep_id, idx, args) VALUES (?, ?, ?)",
            ((sweep_id, index, text) for index, text in enumerate(args, first)),
        )

    def clear(self, sweep_id: int, most: int) -> bool:
        """Forget at most so many points of a sweep; whether there were as many."""
        cursor = self._db.execute(
            "DELETE FROM points WHERE sweep_id = :sweep AND idx IN"
            " (SELECT idx FROM points WHERE sweep_id = :sweep LIMIT :most)",
            {"sweep": sweep_id, "most": most},
        )
        return cursor.rowcount == most

    def planned(self, sweep_id: int) -> Iterable[sqlite3.Row]:
        """The number and the arguments of every point that came with the definition of a grid."""
        return self._db.execute("SELECT idx, args FROM points WHERE sweep_id = ? AND NOT added", (sweep_id,))

    def withdraw(self, sweep_id: int, indices: Iterable[int]) -> None:
        """Forget those of these points of a sweep that nobody has taken yet."""
        self._db.executemany(
            "DELETE FROM points WHERE sweep_id = ? AND idx = ? AND state = 'pending' AND run_id IS NULL",
            ((sweep_id, index) for index in indices),
        )

    def append(self, sweep_id: int, index: int, args: str, coordinates: str) -> None:
        """Store a point that was drawn, and the coordinates (a JSON list) that the sampler knows it by.

        Raises:
            sqlite3.IntegrityError: there is a point of this number.
        """
        self._db.execute(
            "INSERT INTO points (sweep_id, idx, args, coordinates) VALUES (?, ?, ?, ?)",
            (sweep_id, index, args, coordinates),
        )

    def enqueue(self, sweep_id: int, index: int, args: str, run_id: int) -> None:
        """Store a point that somebody adds to a sweep, with the run that is to do it."""
        self._db.execute(
            "INSERT INTO points (sweep_id, idx, args, run_id, resume, added) VALUES (?, ?, ?, ?, 1, 1)",
            (sweep_id, index, args, run_id),
        )

    def drawn(self, sweep_id: int) -> int:
        """How many points of a sweep are stored, which is the number of the next one."""
        row = self._db.execute("SELECT MAX(idx) FROM points WHERE sweep_id = ?", (sweep_id,)).fetchone()
        return 0 if row[0] is None else int(row[0]) + 1

    def trials(self, sweep_id: int) -> Sequence[sqlite3.Row]:
        """Every drawn point: coordinates, state; of the run that holds or ended it state, summary and progress."""
        return self._db.execute(
            "SELECT points.coordinates, points.state, runs.state AS run_state, runs.id AS run_id, runs.summary,"
            " progress.lines, progress.best FROM points"
            " LEFT JOIN runs ON runs.id = points.run_id LEFT JOIN progress ON progress.run_id = runs.id"
            " WHERE points.sweep_id = ? AND points.coordinates IS NOT NULL ORDER BY points.idx",
            (sweep_id,),
        ).fetchall()

    def next_pending(self, sweep_id: int) -> sqlite3.Row | None:
        """The first point that nobody holds, at the same cost whatever the size of the grid.

        The index is named: left to itself, SQLite walks the primary key past every point that has ended.
        """
        row: sqlite3.Row | None = self._db.execute(NEXT_PENDING, (sweep_id,)).fetchone()
        return row

    def claim(self, sweep_id: int, index: int, run_id: int, agent_id: int | None, lease_until: float) -> None:
        """Give a pending point to a run.

        Raises:
            sqlite3.IntegrityError: it is not pending (two claims in one transaction: a mistake of the caller).
        """
        cursor = self._db.execute(
            "UPDATE points SET state = 'claimed', run_id = ?, agent_id = ?, lease_until = ?, resume = 0,"
            " attempts = attempts + 1 WHERE sweep_id = ? AND idx = ? AND state = 'pending'",
            (run_id, agent_id, lease_until, sweep_id, index),
        )
        if cursor.rowcount != 1:
            raise sqlite3.IntegrityError(f"point {index} of sweep {sweep_id} is not pending")

    def renew(self, run_id: int, lease_until: float) -> bool:
        """A sign of life: extend the lease, or take a lost, unclaimed point back. Whether the run has a point."""
        cursor = self._db.execute(
            "UPDATE points SET state = 'claimed', lease_until = ?, resume = 0,"
            " lost = lost - (state = 'pending' AND resume = 0 AND lost > 0)"  # it was not lost after all
            " WHERE run_id = ? AND state IN ('pending', 'claimed')",
            (lease_until, run_id),
        )
        return cursor.rowcount > 0

    def retake(self, run_id: int, *, was_lost: bool) -> None:
        """The run that ended a point goes on, so the point is not ended; `renew` makes it the run's own."""
        state = PENDING if was_lost else CLAIMED
        self._db.execute("UPDATE points SET state = ? WHERE run_id = ? AND state = 'ended'", (state, run_id))

    def started(self, run_id: int) -> None:
        """A process works on the run: the agent has heard of it."""
        self._db.execute("UPDATE points SET attempts = 0 WHERE run_id = ?", (run_id,))

    def shorten(self, agent_id: int, listed: Iterable[int], until: float) -> None:
        """The agent no longer lists a run that it holds: leave only a short time for its last rows."""
        kept = set(listed)
        rows = self._db.execute(
            "SELECT run_id FROM points WHERE agent_id = ? AND state = 'claimed' AND lease_until > ?",
            (agent_id, until),
        ).fetchall()
        self._db.executemany(
            "UPDATE points SET lease_until = ? WHERE run_id = ?",
            [(until, row["run_id"]) for row in rows if row["run_id"] not in kept],
        )

    def unheard(self, agent_id: int, attempts: int) -> int | None:
        """The run that an agent was given and never started, if its point was handed out fewer times than this."""
        row = self._db.execute(
            "SELECT points.run_id FROM points JOIN runs ON runs.id = points.run_id WHERE points.agent_id = ?"
            " AND points.state = 'claimed' AND runs.state = 'pending' AND runs.started = 0 AND attempts < ?",
            (agent_id, attempts),
        ).fetchone()
        return None if row is None else int(row["run_id"])

    def expired(self, now: float) -> Sequence[int]:
        """Ids of the runs whose lease has run out."""
        rows = self._db.execute(
            "SELECT run_id FROM points WHERE state = 'claimed' AND lease_until < ?", (now,)
        ).fetchall()
        return [row["run_id"] for row in rows]

    def grant(self, lease_until: float) -> None:
        """Give everyone who holds a point this lease, shorter or longer than what they had."""
        self._db.execute(
            "UPDATE points INDEXED BY points_by_agent SET lease_until = ? WHERE state = 'claimed'", (lease_until,)
        )  # the index holds claimed points only, however many others there are

    def lose(self, run_id: int) -> int:
        """Count a lost run of a point, and tell how many there are."""
        row = self._db.execute(
            "UPDATE points SET lost = lost + 1 WHERE run_id = ? AND state = 'claimed' RETURNING lost", (run_id,)
        ).fetchone()
        return 0 if row is None else int(row["lost"])

    def release(self, run_id: int, *, resume: bool) -> None:
        """Put a claimed point back. `resume`: the next agent goes on with the same run."""
        self._db.execute(
            "UPDATE points SET state = 'pending', lease_until = NULL, resume = ?"
            " WHERE run_id = ? AND state = 'claimed'",
            (int(resume), run_id),
        )

    def reopen(self, run_id: int) -> bool:
        """Forget that this run did its point: the point is to be done again, and counts from zero.

        One that was added with this run, and that nobody has worked on, goes with it: then this is true.
        """
        gone = self._db.execute(
            "DELETE FROM points WHERE run_id = ? AND added AND state = 'pending'"
            " AND NOT (SELECT started FROM runs WHERE runs.id = points.run_id)",
            (run_id,),
        )
        self._db.execute(
            "UPDATE points SET state = 'pending', run_id = NULL, lease_until = NULL, resume = 0, attempts = 0,"
            " lost = 0 WHERE run_id = ?",
            (run_id,),
        )
        return gone.rowcount > 0

    def end(self, run_id: int) -> int | None:
        """End the point that this run holds or held last; the id of its sweep, None if there is nothing to end."""
        row = self._db.execute(
            "UPDATE points SET state = 'ended', lease_until = NULL, resume = 0 WHERE run_id = ?"
            " AND state IN ('pending', 'claimed') RETURNING sweep_id",
            (run_id,),
        ).fetchone()
        return None if row is None else int(row["sweep_id"])

    def of_run(self, run_id: int) -> sqlite3.Row | None:
        """The point that this run holds, ended, or held last."""
        row: sqlite3.Row | None = self._db.execute(
            "SELECT sweep_id, idx, args, state, lease_until, attempts, lost FROM points WHERE run_id = ?",
            (run_id,),
        ).fetchone()
        return row

    def counts(self, sweep_id: int) -> dict[str, int]:
        """Number of points by state."""
        rows = self._db.execute(
            "SELECT state, COUNT(*) AS n FROM points WHERE sweep_id = ? GROUP BY state", (sweep_id,)
        ).fetchall()
        return {PENDING: 0, CLAIMED: 0, ENDED: 0} | {row["state"]: row["n"] for row in rows}

    def failed(self, sweep_id: int, limit: int) -> Sequence[int]:
        """The runs that ended a point without finishing: failed, were killed, or were lost too often."""
        sql = f"SELECT runs.id AS run_id {_FAILED} LIMIT ?"
        return [row["run_id"] for row in self._db.execute(sql, (sweep_id, limit)).fetchall()]

    def failed_count(self, sweep_id: int) -> int:
        """How many points ended with such a run."""
        return int(self._db.execute(f"SELECT COUNT(*) {_FAILED}", (sweep_id,)).fetchone()[0])


_FAILED = (
    "FROM runs INDEXED BY runs_failed JOIN points ON points.run_id = runs.id AND points.state = 'ended'"
    " WHERE runs.sweep_id = ? AND runs.state IN ('failed', 'crashed', 'killed')"
)
