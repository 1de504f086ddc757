"""Several processes that write to one run (`wandb.init(mode="shared")`), each with line numbers of its own.

What a writer calls line 3 is stored wherever the stream of the run ended when it came; this remembers where, so
that a line that is sent again is stored once. This module does not know what is in the lines.
"""

import sqlite3
from collections.abc import Sequence
from typing import ClassVar

from launch.server.storage.store import Steps


class Writers:
    """Storage of the places of lines from shared runs."""

    MIGRATIONS: ClassVar[Steps] = {
        4: """
        CREATE TABLE writers (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            stream TEXT NOT NULL,
            writer TEXT NOT NULL,
            line INTEGER NOT NULL,
            place INTEGER NOT NULL,
            PRIMARY KEY (run_id, stream, writer, line)
        ) WITHOUT ROWID;
        """
    }

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def places(self, run_id: int, stream: str, writer: str, lines: Sequence[int], end: int) -> list[int]:
        """Where these lines of a writer are in the stream of the run; new ones are placed from `end` on."""
        places = []
        for line in lines:
            row = self._db.execute(
                "SELECT place FROM writers WHERE run_id = ? AND stream = ? AND writer = ? AND line = ?",
                (run_id, stream, writer, line),
            ).fetchone()
            if row is None:
                self._db.execute("INSERT INTO writers VALUES (?, ?, ?, ?, ?)", (run_id, stream, writer, line, end))
                places.append(end)
                end += 1
            else:
                places.append(int(row["place"]))
        return places
