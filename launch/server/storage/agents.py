"""Agents: processes that ask a sweep for runs. What they are told is decided in `dispatch`."""

import sqlite3
import time
from collections.abc import Sequence
from typing import ClassVar

from launch.server.limits import AHEAD_SECONDS
from launch.server.storage.store import Steps


class Agents:
    """Storage of agents."""

    MIGRATIONS: ClassVar[Steps] = {
        1: """
        CREATE TABLE agents (
            id INTEGER PRIMARY KEY,
            sweep_id INTEGER NOT NULL REFERENCES sweeps(id),
            host TEXT NOT NULL,
            created_at REAL NOT NULL,
            heartbeat_at REAL NOT NULL,
            done INTEGER NOT NULL DEFAULT 0
        );
        CREATE INDEX agents_by_sweep ON agents(sweep_id);
        """
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, sweep_id: int, host: str) -> int:
        """Store a new agent of a sweep and return its id."""
        now = time.time()
        cursor = self._db.execute(
            "INSERT INTO agents (sweep_id, host, created_at, heartbeat_at) VALUES (?, ?, ?, ?)",
            (sweep_id, host, now, now),
        )
        return int(cursor.lastrowid or 0)

    def with_sweep(self, key: int) -> sqlite3.Row | None:
        """The agent with what its sweep is: state, method, size, program, project; None if unknown."""
        row: sqlite3.Row | None = self._db.execute(
            "SELECT agents.id, agents.sweep_id, sweeps.state, sweeps.method, sweeps.size, sweeps.program,"
            " sweeps.scheduled,"
            " sweeps.project_id FROM agents JOIN sweeps ON sweeps.id = agents.sweep_id"
            " WHERE agents.id = ? AND sweeps.state <> 'DELETED'",
            (key,),
        ).fetchone()
        return row

    def beat(self, key: int, now: float) -> None:
        """Note a heartbeat."""
        self._db.execute("UPDATE agents SET heartbeat_at = ? WHERE id = ?", (now, key))

    def dismissed(self, key: int) -> None:
        """Note that the agent has been told to exit."""
        self._db.execute("UPDATE agents SET done = 1 WHERE id = ?", (key,))

    def listed(self, sweep_id: int) -> Sequence[sqlite3.Row]:
        """The agents of a sweep with the number of runs each was given."""
        return self._db.execute(
            "SELECT agents.*, sweeps.project_id,"
            " (SELECT COUNT(*) FROM runs WHERE runs.agent_id = agents.id) AS total_runs"
            " FROM agents JOIN sweeps ON sweeps.id = agents.sweep_id WHERE sweep_id = ? ORDER BY agents.id",
            (sweep_id,),
        ).fetchall()

    def active(self, sweep_id: int, since: float) -> int:
        """How many agents of a sweep have called since a moment and were not sent home."""
        sql = "SELECT COUNT(*) FROM agents WHERE sweep_id = ? AND NOT done AND heartbeat_at BETWEEN ? AND ?"
        return int(self._db.execute(sql, (sweep_id, since, time.time() + AHEAD_SECONDS)).fetchone()[0])
