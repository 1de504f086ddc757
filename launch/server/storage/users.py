"""Users, their keys, and who else may see or change a project. A user's name is also the name of an entity.

Of a key only the SHA-256 is kept. That is enough: a key is 160 random bits, so there is nothing to guess that a
slow hash would have to protect. This module does not know how a key travels.
"""

import hashlib
import sqlite3
import time
from collections.abc import Sequence
from typing import ClassVar

from launch.server.storage.store import Steps

OWNER = 1
"""The id of the user to whom the served folder belongs; its name is `local`, its key is a file of the folder."""


class Users:
    """Storage of users, keys and memberships."""

    MIGRATIONS: ClassVar[Steps] = {
        2: """
        CREATE TABLE users (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            created_at REAL NOT NULL
        );
        INSERT INTO users VALUES (1, 'local', unixepoch());
        CREATE TABLE keys (
            digest TEXT PRIMARY KEY,
            user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
            hint TEXT NOT NULL,
            read_only INTEGER NOT NULL DEFAULT 0,
            created_at REAL NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX keys_by_user ON keys(user_id);
        """
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, name: str) -> int:
        """Store a new user and return its id.

        Raises:
            sqlite3.IntegrityError: the name is taken.
        """
        cursor = self._db.execute("INSERT INTO users (name, created_at) VALUES (?, ?)", (name, time.time()))
        return int(cursor.lastrowid or 0)

    def by_id(self, key: int) -> sqlite3.Row | None:
        """The user with this id."""
        return self._one("SELECT * FROM users WHERE id = ?", key)

    def by_name(self, name: str) -> sqlite3.Row | None:
        """The user of this name."""
        return self._one("SELECT * FROM users WHERE name = ?", name)

    def by_key(self, key: str) -> sqlite3.Row | None:
        """The user that an API key belongs to: `id`, `name`, and the key's `read_only`."""
        return self._one(
            "SELECT users.id, users.name, keys.read_only FROM keys JOIN users ON users.id = keys.user_id"
            " WHERE keys.digest = ?",
            digest_of(key),
        )

    def rights(self, user_id: int) -> sqlite3.Row | None:
        """The user's `name`, and whether all its keys may only read (`read_only`); None if it has no key."""
        return self._one(
            "SELECT users.name, MIN(keys.read_only) AS read_only FROM users JOIN keys ON keys.user_id = users.id"
            " WHERE users.id = ? GROUP BY users.id",
            user_id,
        )

    def add_key(self, user_id: int, key: str, *, read_only: bool) -> None:
        """Store a key of a user; of the key itself only its last four characters."""
        self._db.execute(
            "INSERT INTO keys (digest, user_id, hint, read_only, created_at) VALUES (?, ?, ?, ?, ?)",
            (digest_of(key), user_id, key[-4:], int(read_only), time.time()),
        )

    def drop_keys(self, user_id: int, hint: str | None = None) -> int:
        """Forget a user's keys, or those that end in `hint`; how many there were."""
        cursor = self._db.execute(
            "DELETE FROM keys WHERE user_id = ? AND (? IS NULL OR hint = ?)", (user_id, hint, hint)
        )
        return cursor.rowcount

    def any_keys(self) -> bool:
        """Whether any user was added and has a key."""
        return self._one("SELECT 1 FROM keys LIMIT 1") is not None

    def listed(self) -> Sequence[sqlite3.Row]:
        """Every user but the owner, with the ends of its keys and the number of its projects."""
        return self._db.execute(
            "SELECT users.*, (SELECT COUNT(*) FROM projects WHERE user_id = users.id) AS projects,"
            " (SELECT group_concat(hint || CASE read_only WHEN 1 THEN ' (read only)' ELSE '' END, ', ')"
            "  FROM keys WHERE user_id = users.id) AS hints FROM users WHERE id <> ? ORDER BY name",
            (OWNER,),
        ).fetchall()

    def _one(self, sql: str, *values: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
        return row


def digest_of(key: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(key.encode()).hexdigest()
