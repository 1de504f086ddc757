"""Browsers that are logged in: of a cookie only the digest is kept. A session ends with the key that opened it."""

import sqlite3
import time
from typing import ClassVar

from launch.server.limits import AHEAD_SECONDS, SESSION_SECONDS
from launch.server.storage.store import Steps
from launch.server.storage.users import digest_of


class Sessions:
    """Storage of sessions."""

    MIGRATIONS: ClassVar[Steps] = {
        7: """
        CREATE TABLE sessions (
            digest TEXT PRIMARY KEY,
            user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
            key_digest TEXT NOT NULL,
            expires_at REAL NOT NULL
        ) WITHOUT ROWID;
        """
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def open(self, token: str, user_id: int, key: str, seconds: float) -> None:
        """Store a session that a key opens; those that have ended are forgotten."""
        now = time.time()
        latest = now + SESSION_SECONDS + AHEAD_SECONDS
        self._db.execute("DELETE FROM sessions WHERE expires_at NOT BETWEEN ? AND ?", (now, latest))
        self._db.execute(
            "INSERT INTO sessions VALUES (?, ?, ?, ?)", (digest_of(token), user_id, digest_of(key), now + seconds)
        )

    def user(self, token: str, owner_key: str) -> sqlite3.Row | None:
        """The user behind a session: `id`, `name`, and whether the key that opened it may only read (`read_only`).

        None if it has ended, or its key was taken back; and if it was opened while the clock was ahead.
        """
        now = time.time()
        row: sqlite3.Row | None = self._db.execute(
            "SELECT users.id, users.name,"
            " COALESCE((SELECT read_only FROM keys WHERE keys.digest = key_digest), 0) AS read_only"
            " FROM sessions JOIN users ON users.id = sessions.user_id"
            " WHERE digest = ? AND expires_at BETWEEN ? AND ? AND (key_digest = ? OR EXISTS"
            " (SELECT 1 FROM keys WHERE keys.digest = key_digest AND keys.user_id = users.id))",
            (digest_of(token), now, now + SESSION_SECONDS + AHEAD_SECONDS, digest_of(owner_key)),
        ).fetchone()
        return row

    def close(self, token: str) -> None:
        """Forget a session."""
        self._db.execute("DELETE FROM sessions WHERE digest = ?", (digest_of(token),))
