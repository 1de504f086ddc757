"""What a folder holds, so that two can be compared: all of each table, and what is told of a sample of runs."""

import contextlib
import hashlib
import json
import random
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from launch.server import upkeep
from launch.server.storage import Tables, open_store
from launch.server.storage.lines import CONSOLE, EVENTS, FIRST, HISTORY

MOVING = ("lines", "aged", "curves", "curve_ends", "media_lines")
"""Tables of which rows come and go while lines move into files and back; what they tell together stays."""
LOGICAL = """
SELECT run_id, stream, SUM(number) FROM (
    SELECT run_id, stream, rows AS number FROM aged
    UNION ALL SELECT run_id, stream, COUNT(*) FROM lines
     WHERE line > COALESCE((SELECT MAX(last) FROM aged WHERE aged.run_id = lines.run_id
                            AND aged.stream = lines.stream), -9e18) GROUP BY run_id, stream
) GROUP BY run_id, stream ORDER BY run_id, stream
"""
"""How many lines each stream of each run has, wherever they are."""
Seen = dict[str, str]
"""What was looked at, and a number or digest of it."""


def sample(folder: Path, seed: int, count: int) -> list[int]:
    """Some runs: half from all of them, half from those whose lines are in the database."""
    with contextlib.closing(sqlite3.connect(folder / "server.db")) as db:
        every = [row[0] for row in db.execute("SELECT id FROM runs ORDER BY id")]
        fresh = [row[0] for row in db.execute("SELECT DISTINCT run_id FROM lines ORDER BY run_id")]
    chance = random.Random(seed)
    return sorted({*chance.sample(every, min(count, len(every))), *chance.sample(fresh, min(count, len(fresh)))})


def seen(folder: Path, runs: Sequence[int]) -> Seen:
    """How many rows each table has, how many lines there are, and what is told of these runs."""
    with contextlib.closing(open_store(folder / "server.db")) as store, store.read() as tables:
        db = tables.runs._db
        told = {f"rows of {name}": str(_count(db, name)) for name in _tables(db) if name not in MOVING}
        told["lines of all runs"] = _digest(db.execute(LOGICAL))
        return told | {f"run {run}": _digest(_of_run(tables, run)) for run in runs}


def contents(path: Path, but: Collection[str] = MOVING, without: Collection[str] = ()) -> Seen:
    """A digest of each table of a database."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return {f"table {name}": rows_of(db, name, without) for name in _tables(db) if name not in but}


def rows_of(db: sqlite3.Connection, table: str, without: Collection[str] = ()) -> str:
    """A digest of all rows of a table, in the order of their keys, without some columns."""
    names = [row[1] for row in db.execute(f'PRAGMA table_xinfo("{table}")') if row[1] not in without]
    told = ", ".join(f'"{name}"' for name in names)
    return _digest(db.execute(f'SELECT {told} FROM "{table}" NOT INDEXED'))


def everything(path: Path, without: Collection[str] = ()) -> Seen:
    """All rows of all tables: of two that are to be the same, each value to the last bit."""
    return contents(path, but=(), without=without)


def differences(before: Seen, after: Seen) -> list[str]:
    """What two folders tell differently."""
    names = sorted({name for name in before.keys() | after.keys() if before.get(name) != after.get(name)})
    return [
        f"{name}: {before.get(name, 'none')[:12]} before, {after.get(name, 'none')[:12]} after" for name in names
    ]


class Checked:
    """`sashiko serve verify` many times over: a file that nobody has touched since is not read once more."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int, str], str] = {}
        self._digest = upkeep._digest

    def problems(self, folder: Path) -> list[str]:
        """What is wrong with a folder, as `verify` tells it."""
        upkeep._digest = self._once
        try:
            return upkeep.verify(folder).problems
        finally:
            upkeep._digest = self._digest

    def _once(self, path: Path) -> str:
        found = path.stat()
        key = (found.st_ino, found.st_size, found.st_mtime_ns, path.name)
        if key not in self._known:
            self._known[key] = self._digest(path)
        return self._known[key]


def _tables(db: sqlite3.Connection) -> list[str]:
    sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    return [row[0] for row in db.execute(sql)]


def _count(db: sqlite3.Connection, table: str) -> int:
    return int(db.execute(f'SELECT COUNT(*) FROM "{table}"').fetchone()[0])


def _of_run(tables: Tables, run: int) -> Iterable[object]:
    """A run: its columns, lines (whatever the order of keys), keys, files, and the versions it made and used."""
    db = tables.runs._db
    yield tuple(db.execute("SELECT * FROM runs WHERE id = ?", (run,)).fetchone() or ())
    for stream in (HISTORY, EVENTS, CONSOLE):
        for line in tables.lines.page(run, stream, FIRST, -1):
            told = line.text if stream == CONSOLE else json.dumps(json.loads(line.text), sort_keys=True)
            yield stream, line.line, line.step, told
    for sql in (
        "SELECT * FROM history_keys WHERE run_id = ? ORDER BY key",
        "SELECT * FROM run_files WHERE run_id = ? ORDER BY name",
        "SELECT lineage.role, artifacts.*, entries.* FROM lineage"
        " JOIN artifacts ON artifacts.id = lineage.artifact_id"
        " LEFT JOIN entries ON entries.artifact_id = artifacts.id"
        " WHERE lineage.run_id = ? ORDER BY artifacts.id, entries.path",
    ):
        yield from db.execute(sql, (run,))


def _digest(rows: Iterable[object]) -> str:
    told = hashlib.sha256()
    for row in rows:
        told.update(repr(tuple(row) if isinstance(row, sqlite3.Row) else row).encode())
    return told.hexdigest()
