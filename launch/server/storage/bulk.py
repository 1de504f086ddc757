"""Runs, sweeps and versions read as a whole, in the order of their keys: what is sent in bulk.

Only reads, and has no table of its own. What a row looks like outside is decided in `bulk`.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from launch.server.storage.aged import Aged
from launch.server.storage.lines import CONSOLE, EVENTS, FIRST, HISTORY


class Which(NamedTuple):
    """Which runs of a project: of some sweeps, with a sign of life since a time, with some names; None: any.

    `sweeps` (their ids) and `names` are JSON lists.
    """

    project_id: int
    sweeps: str | None = None
    since: float | None = None
    names: str | None = None

    @property
    def condition(self) -> str:
        """The condition in SQL; its values are `values`."""
        return (
            "runs.project_id = :project AND (:since IS NULL OR runs.heartbeat_at >= :since)"
            " AND (:sweeps IS NULL OR runs.sweep_id IN (SELECT value FROM json_each(:sweeps)))"
            " AND (:names IS NULL OR runs.name IN (SELECT value FROM json_each(:names)))"
        )

    @property
    def values(self) -> dict[str, object]:
        """The values of the condition."""
        return {"project": self.project_id, "sweeps": self.sweeps, "since": self.since, "names": self.names}


class Bulk:
    """Reads in bulk."""

    def __init__(self, db: sqlite3.Connection, aged: Aged) -> None:
        self._db = db
        self._aged = aged

    def runs(self, which: Which, after: int, most: int) -> Sequence[sqlite3.Row]:
        """The next runs after a key, each with its sweep, the number of its point, and what there is more of it.

        Of most runs there are few kinds of lines and no files: to ask of each would take longer than its rows.
        """
        return self._db.execute(
            f"SELECT runs.*, sweeps.name AS sweep_name, points.idx AS point, {_HAS} FROM runs"
            " LEFT JOIN sweeps ON sweeps.id = runs.sweep_id LEFT JOIN points ON points.run_id = runs.id"
            f" WHERE {which.condition} AND runs.id > :after ORDER BY runs.id LIMIT :most",
            {**which.values, "after": after, "most": most},
        ).fetchall()

    def rows(self, which: Which, after: int, most: int) -> list[tuple[Any, ...]]:
        """The next runs after a key as they are stored: key, name, the sweep's name, all else, what they made."""
        cursor = self._db.cursor()
        cursor.row_factory = None
        return cursor.execute(
            "SELECT runs.id, runs.name, sweeps.name, runs.*,"
            " (SELECT COUNT(*) || ' ' || SUM(artifact_id) FROM lineage"
            "  JOIN artifacts ON artifacts.id = artifact_id"
            "  WHERE lineage.run_id = runs.id AND artifacts.state = 'COMMITTED')"
            " FROM runs LEFT JOIN sweeps ON sweeps.id = runs.sweep_id"
            f" WHERE {which.condition} AND runs.id > :after ORDER BY runs.id LIMIT :most",
            {**which.values, "after": after, "most": most},
        ).fetchall()

    def logged(self, run_ids: Sequence[int], types: Sequence[str]) -> dict[int, list[sqlite3.Row]]:
        """The committed versions of some types that runs made, by run, older ones first."""
        found: dict[int, list[sqlite3.Row]] = {}
        for row in self._db.execute(
            "SELECT lineage.run_id, artifacts.*, collections.id AS collection_id, collections.type FROM lineage"
            " JOIN artifacts ON artifacts.id = lineage.artifact_id"
            " JOIN collections ON collections.id = artifacts.collection_id"
            " WHERE lineage.run_id IN (SELECT value FROM json_each(?)) AND lineage.role = 'made'"
            " AND collections.type IN (SELECT value FROM json_each(?)) AND artifacts.state = 'COMMITTED'"
            " ORDER BY artifacts.version_index",
            (json.dumps(run_ids), json.dumps(types)),
        ):
            found.setdefault(row["run_id"], []).append(row)
        return found

    def count(self, which: Which) -> int:
        """How many runs those are."""
        row = self._db.execute(f"SELECT COUNT(*) FROM runs WHERE {which.condition}", which.values).fetchone()
        return int(row[0])

    def lines(self, run_id: int, stream: str, after: int, most: int) -> tuple[list[int], list[bytes], bool]:
        """Lines after a number until `most` bytes are there: numbers, texts, and whether there may be more."""
        numbers: list[int] = []
        texts: list[bytes] = []
        size, last = 0, self._aged.last(run_id, stream)
        for line in self._aged.lines(run_id, stream, after + 1) if after < last else ():
            numbers.append(line.line)
            texts.append(line.text.encode(errors="replace"))
            size += len(texts[-1])
            if size >= most:
                return numbers, texts, True
        cursor = self._db.cursor()
        cursor.row_factory = None
        cursor.execute(
            "SELECT line, CAST(text AS BLOB) FROM lines WHERE run_id = ? AND stream = ? AND line > ?"
            " ORDER BY line",
            (run_id, stream, max(after, last)),
        )
        while size < most and (rows := cursor.fetchmany(500)):
            some_numbers, some_texts = zip(*rows, strict=True)
            numbers += some_numbers
            texts += some_texts
            size += sum(map(len, some_texts))
        return numbers, texts, size >= most

    def files(self, run_id: int) -> Sequence[sqlite3.Row]:
        """The files of a run, by name."""
        return self._db.execute(
            "SELECT name, md5, size, blob, updated_at FROM run_files WHERE run_id = ? ORDER BY name", (run_id,)
        ).fetchall()

    def lineage(self, run_id: int) -> Sequence[sqlite3.Row]:
        """The committed versions that a run made or used, each with where it is."""
        return self._db.execute(
            "SELECT lineage.role, artifacts.*, collections.name AS collection_name, collections.project_id,"
            " projects.name AS project_name, users.name AS entity_name FROM lineage"
            " JOIN artifacts ON artifacts.id = lineage.artifact_id"
            " JOIN collections ON collections.id = artifacts.collection_id"
            " JOIN projects ON projects.id = collections.project_id JOIN users ON users.id = projects.user_id"
            " WHERE lineage.run_id = ? AND artifacts.state = 'COMMITTED' ORDER BY artifacts.id, lineage.role",
            (run_id,),
        ).fetchall()

    def rungs(self, run_id: int) -> Sequence[sqlite3.Row]:
        """The bands that a run has passed, each with its loss."""
        return self._db.execute(
            "SELECT band, loss FROM rungs WHERE run_id = ? ORDER BY band", (run_id,)
        ).fetchall()

    def sweeps(self, project_id: int, after: int, names: str | None) -> sqlite3.Row | None:
        """The next sweep after a key."""
        row: sqlite3.Row | None = self._db.execute(
            "SELECT * FROM sweeps WHERE project_id = ? AND id > ? AND state <> 'DELETED'"
            " AND (? IS NULL OR name IN (SELECT value FROM json_each(?))) ORDER BY id LIMIT 1",
            (project_id, after, names, names),
        ).fetchone()
        return row

    def points(self, sweep_id: int, after: int, most: int) -> Sequence[sqlite3.Row]:
        """The next points of a sweep, each with the name of its run."""
        return self._db.execute(
            "SELECT points.*, runs.name AS run_name FROM points LEFT JOIN runs ON runs.id = points.run_id"
            " WHERE points.sweep_id = ? AND idx > ? ORDER BY idx LIMIT ?",
            (sweep_id, after, most),
        ).fetchall()

    def versions(self, project_id: int, after: int, runs: str | None) -> sqlite3.Row | None:
        """The next committed version of a project after a key; of those that some runs made or used."""
        row: sqlite3.Row | None = self._db.execute(
            "SELECT artifacts.*, collections.name AS collection_name, collections.type, collections.project_id,"
            " runs.name AS run_name FROM artifacts JOIN collections ON collections.id = artifacts.collection_id"
            " LEFT JOIN runs ON runs.id = artifacts.run_id AND runs.project_id = collections.project_id"
            " WHERE collections.project_id = :project AND artifacts.id > :after AND artifacts.state = 'COMMITTED'"
            " AND (:runs IS NULL OR artifacts.id IN (SELECT artifact_id FROM lineage JOIN runs AS others"
            "  ON others.id = run_id WHERE others.project_id = :project"
            "  AND others.name IN (SELECT value FROM json_each(:runs)))) ORDER BY artifacts.id LIMIT 1",
            {"project": project_id, "after": after, "runs": runs},
        ).fetchone()
        return row

    def entries(self, artifact_id: int, after: str, most: int) -> Sequence[sqlite3.Row]:
        """The next files of a version after a path."""
        return self._db.execute(
            "SELECT path, md5, size, ref, blob FROM entries WHERE artifact_id = ? AND path > ?"
            " ORDER BY path LIMIT ?",
            (artifact_id, after, most),
        ).fetchall()

    def places(self, artifact_id: int, project_id: int) -> Iterator[sqlite3.Row]:
        """The collections of a project that a version is in, its own first."""
        yield from self._db.execute(
            "SELECT collections.*, memberships.version_index, memberships.created_at AS placed_at FROM memberships"
            " JOIN collections ON collections.id = memberships.collection_id"
            " WHERE artifact_id = ? AND project_id = ? ORDER BY portfolio, memberships.id",
            (artifact_id, project_id),
        ).fetchall()

    def names_of(self, artifact_id: int, role: str, project_id: int) -> list[str]:
        """The runs of a project that made or used a version."""
        rows = self._db.execute(
            "SELECT runs.name FROM lineage JOIN runs ON runs.id = run_id"
            " WHERE artifact_id = ? AND role = ? AND project_id = ? ORDER BY runs.id",
            (artifact_id, role, project_id),
        ).fetchall()
        return [row["name"] for row in rows]


_HAS = ", ".join(
    [
        *(
            f"EXISTS (SELECT 1 FROM {table} WHERE run_id = runs.id) AS has_{table}"
            for table in ("run_files", "lineage")
        ),
        *(
            f"(EXISTS (SELECT 1 FROM lines WHERE run_id = runs.id AND stream = '{stream}')"
            f" OR EXISTS (SELECT 1 FROM aged WHERE run_id = runs.id AND stream = '{stream}')) AS has_{stream}"
            for stream in (HISTORY, EVENTS, CONSOLE)
        ),
    ]
)
BEFORE_ALL = FIRST - 1
"""A number before that of every line."""
