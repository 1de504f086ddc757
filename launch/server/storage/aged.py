"""Lines that have left the database for column files: which are where, and how they are read.

Of a stream the lines up to a number are in files, a part each, and those after it in the table `lines`. What
stands there of the former is what nobody has swept yet: it does not count. So to age lines is one row here, and
to bring them back is its end, however many they are. A part's file is a blob, named by what it holds: it never
changes, backups copy it once, and `upkeep.prune` deletes it when no row names it. Which lines age is decided in
`ageing`.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import ClassVar, NamedTuple

from launch.server.columnar.line import Line
from launch.server.errors import RowsLost
from launch.server.storage.store import Steps

NONE = -(2**62) - 1
"""A number before that of every line: the last one in files, where there is none."""


class Part(NamedTuple):
    """Lines of a stream in one file: the numbers of the first and the last, how many, the range of their steps."""

    first: int
    last: int
    rows: int
    low: int | None
    high: int | None
    size: int
    blob: str


class Aged:
    """Storage of which lines are in which files."""

    MIGRATIONS: ClassVar[Steps] = {
        9: """
        CREATE TABLE aged (
            run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            stream TEXT NOT NULL,
            first INTEGER NOT NULL,
            last INTEGER NOT NULL,
            rows INTEGER NOT NULL,
            low INTEGER,
            high INTEGER,
            size INTEGER NOT NULL,
            blob TEXT NOT NULL,
            swept INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (run_id, stream, first)
        ) WITHOUT ROWID;
        CREATE INDEX aged_by_blob ON aged(blob);
        CREATE INDEX aged_unswept ON aged(swept) WHERE swept <> 1;
        CREATE INDEX entries_by_ref ON entries(ref) WHERE ref IS NOT NULL;
        """
    }

    def __init__(self, db: sqlite3.Connection, place: Callable[[str], Path]) -> None:
        self._db = db
        self._place = place

    def last(self, run_id: int, stream: str) -> int:
        """The number of the last line of a stream that is in a file; `NONE` if no line is."""
        sql = "SELECT MAX(last) FROM aged WHERE run_id = ? AND stream = ?"
        last: int | None = self._db.execute(sql, (run_id, stream)).fetchone()[0]
        return NONE if last is None else last

    def parts(self, run_id: int, stream: str) -> list[Part]:
        """The parts of a stream, in the order of their lines."""
        rows = self._db.execute(
            "SELECT first, last, rows, low, high, size, blob FROM aged WHERE run_id = ? AND stream = ?"
            " ORDER BY first",
            (run_id, stream),
        ).fetchall()
        return [Part(*row) for row in rows]

    def lines(self, run_id: int, stream: str, start: int) -> Iterator[Line]:
        """The lines of a stream from a number on, as far as they are in files; only what is taken is read."""
        from launch.server.columnar.reading import from_line

        for part in self.parts(run_id, stream):
            if part.last >= start:
                with _told(part):
                    yield from from_line(self._place(part.blob), start)

    def tail(self, run_id: int, stream: str, limit: int) -> list[Line]:
        """The last lines of a stream that are in files, the very last one first."""
        from launch.server.columnar.reading import to_line

        found: list[Line] = []
        for part in reversed(self.parts(run_id, stream)):
            if len(found) < limit:
                with _told(part):
                    found += islice(to_line(self._place(part.blob)), limit - len(found))
        return found

    def between(self, run_id: int, first: int, last: int) -> list[Line]:
        """The rows of history in files whose steps are between two, both among them."""
        from launch.server.columnar.reading import between

        found: list[Line] = []
        for part in self.parts(run_id, "history"):
            if part.low is not None and part.high is not None and part.low <= last and part.high >= first:
                with _told(part):
                    found += between(self._place(part.blob), first, last)
        return found

    def curves(
        self, run_id: int, keys: Collection[str], first: int, last: int
    ) -> dict[str, tuple[list[int], list[float]]]:
        """Numbers of some keys of the history in files between two steps: steps and values."""
        from launch.server.columnar.reading import curves

        found: dict[str, tuple[list[int], list[float]]] = {}
        for part in self.parts(run_id, "history"):
            if part.low is not None and part.high is not None and part.low <= last and part.high >= first:
                with _told(part):
                    parts = list(curves(self._place(part.blob), keys, first, last))
                for key, steps, values in parts:
                    before = found.setdefault(key, ([], []))
                    before[0].extend(steps)
                    before[1].extend(values)
        return found

    # --- changed ---------------------------------------------------------------------------------------------

    def add(self, run_id: int, stream: str, part: Part) -> None:
        """From now on these lines are those in the file, and what the table holds of them does not count."""
        self._db.execute(
            "INSERT INTO aged (run_id, stream, first, last, rows, low, high, size, blob)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (run_id, stream, *part),
        )

    def forget(self, run_id: int, stream: str | None = None) -> None:
        """No line of a stream (None: of the run) is in a file any more."""
        self._db.execute(
            "DELETE FROM aged WHERE run_id = ? AND (? IS NULL OR stream = ?)", (run_id, stream, stream)
        )

    def unswept(self) -> tuple[int, str] | None:
        """A stream of which the table may still hold lines that are in files: run and stream."""
        row = self._db.execute(
            "SELECT run_id, stream FROM aged WHERE swept <> 1 AND swept = 0"
            " AND NOT EXISTS (SELECT 1 FROM aged AS others WHERE others.run_id = aged.run_id"
            "  AND others.stream = aged.stream AND others.swept > 1) LIMIT 1"
        ).fetchone()
        return None if row is None else (row["run_id"], row["stream"])

    def hold(self, run_id: int, stream: str, before: int | None, now: float) -> int | None:
        """Keep the lines of a stream from being swept while they are laid out in the table again.

        To be called in each transaction that lays some out, with what the call before it returned (None: the first
        one). None: somebody else has decided since, and what was laid out may be swept.
        """
        held = max(int(now * 1e3), 2, (before or 0) + 1)
        changed = self._db.execute(
            "UPDATE aged SET swept = ?1 WHERE run_id = ?2 AND stream = ?3 AND (?4 IS NULL OR swept = ?4)",
            (held, run_id, stream, before),
        ).rowcount
        return held if changed and changed == len(self.parts(run_id, stream)) else None

    def is_held(self, before: float) -> bool:
        """Whether lines are held that were before a time (`release`)."""
        sql = "SELECT 1 FROM aged WHERE swept <> 1 AND swept BETWEEN 2 AND ? LIMIT 1"
        return self._db.execute(sql, (max(int(before * 1e3), 1),)).fetchone() is not None

    def release(self, before: float) -> None:
        """What was held before a time is to be swept: who laid it out has died."""
        self._db.execute(
            "UPDATE aged SET swept = 0 WHERE swept <> 1 AND swept BETWEEN 2 AND ?", (max(int(before * 1e3), 1),)
        )

    def sweep(self, run_id: int, stream: str, most: int) -> bool:
        """Delete at most `most` lines of the table that are in files; whether none is left."""
        last = self.last(run_id, stream)
        held = "SELECT 1 FROM aged WHERE run_id = ? AND stream = ? AND swept > 1"
        if self._db.execute(held, (run_id, stream)).fetchone() is not None:
            return False
        gone = self._db.execute(
            "DELETE FROM lines WHERE run_id = ?1 AND stream = ?2 AND line <= ?3 AND line IN"
            " (SELECT line FROM lines WHERE run_id = ?1 AND stream = ?2 AND line <= ?3 ORDER BY line LIMIT ?4)",
            (run_id, stream, last, most),
        ).rowcount
        return gone < most

    def is_swept(self, run_id: int, stream: str) -> None:
        """The table holds no line of a stream any more that is in a file."""
        self._db.execute("UPDATE aged SET swept = 1 WHERE run_id = ? AND stream = ?", (run_id, stream))

    def with_lines(self, after: int, most: int) -> list[int]:
        """The next runs after one, by key, that have lines in the table; each is one look at its index."""
        rows = self._db.execute(
            "WITH RECURSIVE next(id) AS (SELECT MIN(run_id) FROM lines WHERE run_id > ?"
            " UNION ALL SELECT (SELECT MIN(run_id) FROM lines WHERE run_id > id) FROM next WHERE id IS NOT NULL)"
            " SELECT id FROM next WHERE id IS NOT NULL LIMIT ?",
            (after, most),
        ).fetchall()
        return [row["id"] for row in rows]

    def runs(self, project_id: int | None) -> list[int]:
        """The runs (None: of all projects) that have lines in files."""
        rows = self._db.execute(
            "SELECT DISTINCT run_id FROM aged JOIN runs ON runs.id = run_id"
            " WHERE ?1 IS NULL OR runs.project_id = ?1 ORDER BY run_id",
            (project_id,),
        ).fetchall()
        return [row["run_id"] for row in rows]

    def count_from(self, run_id: int, stream: str, start: int, most: int) -> int:
        """How many lines of a stream the table holds from a number on; `most` if they are more."""
        count: int = self._db.execute(
            "SELECT COUNT(*) FROM (SELECT 1 FROM lines WHERE run_id = ? AND stream = ? AND line >= ? LIMIT ?)",
            (run_id, stream, start, most),
        ).fetchone()[0]
        return count

    def alive(self) -> Sequence[int]:
        """Runs that are alive and have lines in files: they go on, after a pause longer than it takes to age."""
        rows = self._db.execute(
            "SELECT id FROM runs WHERE state IN ('pending', 'running')"
            " AND EXISTS (SELECT 1 FROM aged WHERE run_id = runs.id)"
        ).fetchall()
        return [row["id"] for row in rows]


@contextlib.contextmanager
def _told(part: Part) -> Iterator[None]:
    """Say which rows are lost with a file that cannot be read.

    Raises:
        RowsLost: it cannot.
    """
    try:
        yield
    except OSError as error:
        raise RowsLost(part.first, part.last, part.blob) from error


def read_lines(db: sqlite3.Connection, run_id: int, stream: str, start: int, most: int) -> list[Line]:
    """Lines of the table from a number on, over a connection of anybody's."""
    rows = db.execute(
        "SELECT line, step, text FROM lines WHERE run_id = ? AND stream = ? AND line >= ? ORDER BY line LIMIT ?",
        (run_id, stream, start, most),
    )
    return [Line(*row) for row in rows]
