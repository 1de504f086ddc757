"""Projects: a name of a user that groups runs, sweeps and artifacts; and the other users who may see it."""

import sqlite3
import time
from collections.abc import Sequence
from typing import ClassVar

from launch.server.storage.store import Steps
from launch.server.storage.users import OWNER

READ, WRITE = "read", "write"


class Projects:
    """Storage of projects and their members."""

    MIGRATIONS: ClassVar[Steps] = {
        1: """
        CREATE TABLE projects (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            description TEXT,
            created_at REAL NOT NULL,
            runs_made INTEGER NOT NULL DEFAULT 0
        );
        """,
        2: """
        CREATE TABLE projects_of_users (
            id INTEGER PRIMARY KEY,
            user_id INTEGER NOT NULL REFERENCES users(id),
            name TEXT NOT NULL,
            description TEXT,
            created_at REAL NOT NULL,
            runs_made INTEGER NOT NULL DEFAULT 0,
            UNIQUE (user_id, name)
        );
        INSERT INTO projects_of_users SELECT id, 1, name, description, created_at, runs_made FROM projects;
        DROP TABLE projects;
        ALTER TABLE projects_of_users RENAME TO projects;
        CREATE TABLE members (
            project_id INTEGER NOT NULL REFERENCES projects(id) ON DELETE CASCADE,
            user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
            role TEXT NOT NULL CHECK (role IN ('read', 'write')),
            PRIMARY KEY (project_id, user_id)
        ) WITHOUT ROWID;
        CREATE INDEX members_by_user ON members(user_id);
        """,
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def by_name(self, name: str, user_id: int = OWNER) -> sqlite3.Row | None:
        """The project of this name of a user."""
        return self._one(f"{_SELECT} WHERE projects.user_id = ? AND projects.name = ?", user_id, name)

    def by_id(self, key: int) -> sqlite3.Row | None:
        """The project with this id."""
        return self._one(f"{_SELECT} WHERE projects.id = ?", key)

    def make(self, name: str, user_id: int = OWNER) -> tuple[sqlite3.Row, bool]:
        """The project of this name of a user, and whether this call made it."""
        row = self.by_name(name, user_id)
        if row is not None:
            return row, False
        self._db.execute(
            "INSERT INTO projects (user_id, name, created_at) VALUES (?, ?, ?)", (user_id, name, time.time())
        )
        made = self.by_name(name, user_id)
        if made is None:
            raise sqlite3.DatabaseError("a project that was just stored is not there")
        return made, True

    def listed(
        self, offset: int, limit: int, *, user_id: int | None = None, seen_by: int | None = None
    ) -> Sequence[sqlite3.Row]:
        """A page of the projects, newest first: of one user, and of those that another may see."""
        return self._db.execute(
            f"{_SELECT} WHERE (:owner IS NULL OR projects.user_id = :owner) AND (:seer IS NULL OR"
            " projects.user_id = :seer OR EXISTS (SELECT 1 FROM members WHERE project_id = projects.id"
            " AND members.user_id = :seer)) ORDER BY projects.id DESC LIMIT :limit OFFSET :offset",
            {"owner": user_id, "seer": seen_by, "limit": limit, "offset": offset},
        ).fetchall()

    def role(self, key: int, user_id: int) -> str | None:
        """What a user may do with a project: `write`, `read` or None."""
        row = self._one(
            "SELECT CASE WHEN projects.user_id = :user THEN 'write' ELSE (SELECT role FROM members WHERE"
            " project_id = projects.id AND members.user_id = :user) END AS role FROM projects"
            " WHERE projects.id = :key",
            {"user": user_id, "key": key},
        )
        return None if row is None else row["role"]

    def share(self, key: int, user_id: int, role: str | None) -> None:
        """Let a user read or write a project of somebody else; None takes it back."""
        if role is None:
            self._db.execute("DELETE FROM members WHERE project_id = ? AND user_id = ?", (key, user_id))
            return
        self._db.execute(
            "INSERT INTO members VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET role = excluded.role",
            (key, user_id, role),
        )

    def members(self, key: int) -> Sequence[sqlite3.Row]:
        """The users that a project is shared with, with their roles."""
        return self._db.execute(
            "SELECT users.name, members.role FROM members JOIN users ON users.id = members.user_id"
            " WHERE project_id = ? ORDER BY users.name",
            (key,),
        ).fetchall()

    def entities(self, user_id: int) -> list[str]:
        """The names of the other users who share a project with this one."""
        rows = self._db.execute(
            "SELECT DISTINCT users.name FROM members JOIN projects ON projects.id = members.project_id"
            " JOIN users ON users.id = projects.user_id WHERE members.user_id = ? ORDER BY users.name",
            (user_id,),
        ).fetchall()
        return [row["name"] for row in rows]

    def next_number(self, key: int) -> int:
        """Count one more run in a project; the count names the run."""
        row = self._one("UPDATE projects SET runs_made = runs_made + 1 WHERE id = ? RETURNING runs_made AS n", key)
        return int(row["n"]) if row is not None else 0

    def _one(self, sql: str, *values: object) -> sqlite3.Row | None:
        bound = values[0] if len(values) == 1 and isinstance(values[0], dict) else values
        row: sqlite3.Row | None = self._db.execute(sql, bound).fetchone()
        return row


_SELECT = "SELECT projects.*, users.name AS entity FROM projects JOIN users ON users.id = projects.user_id"
