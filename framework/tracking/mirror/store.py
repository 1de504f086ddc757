"""The mirror on the disk: an index of runs, and their rows in a few parquet files a kind.

    index.db      runs (name, stamp, what the tracker told), parts (files), pieces (which part has a run's rows)
    <n>.parquet   the rows of many runs of one kind, with the column `run_id`

A run that changes loses its pieces; its old rows stay in their part until the parts are written anew. What the
index does not name is no part of the mirror: whoever is interrupted leaves a file that the next one removes. All
that is here can be fetched again, so a mirror that cannot be read is begun anew.
"""

import contextlib
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FORM = 3
"""The form that this version reads and writes; a mirror of another one is begun anew."""
RUN = "run_id"
MOST_PARTS = 24
BUSY_S = 600.0
CHUNK = 500
_INDEX = """
CREATE TABLE runs (
    name TEXT PRIMARY KEY, place INTEGER NOT NULL, sweep TEXT, stamp TEXT NOT NULL, told BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE parts (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, rows INTEGER NOT NULL);
CREATE TABLE pieces (
    kind TEXT NOT NULL, run TEXT NOT NULL, part INTEGER, rows INTEGER NOT NULL, PRIMARY KEY (kind, run)
) WITHOUT ROWID;
CREATE INDEX pieces_by_part ON pieces(part);
CREATE INDEX pieces_by_run ON pieces(run);
"""


class Damaged(Exception):
    """Rows that are kept here cannot be read any more."""


class Stamp(NamedTuple):
    """A run in the order of its making, its sweep, and a word that is another one once anything of it changes."""

    name: str
    place: int
    sweep: str | None
    stamp: str


class Store:
    """The mirror of one project. Open, it belongs to this process alone; others wait."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._db = _opened(folder)

    def close(self, *, keep: bool) -> None:
        """End the work on it: what was changed is kept, or forgotten."""
        if keep:
            self._db.commit()
            self._sweep()
        else:
            self._db.rollback()
        self._db.close()

    # --- runs ---

    def stamps(self, sweeps: Collection[str] | None) -> dict[str, Stamp]:
        """What is known of the runs of some sweeps, or of all, by name."""
        rows = self._db.execute("SELECT name, place, sweep, stamp FROM runs")
        return {row[0]: Stamp(*row) for row in rows if sweeps is None or row[2] in sweeps}

    def put(self, runs: Iterable[tuple[Stamp, bytes]]) -> None:
        """Keep what the tracker told of runs, in place of what it told before; their rows are to be asked anew."""
        for stamp, told in runs:
            self._db.execute("DELETE FROM pieces WHERE run = ?", (stamp.name,))
            self._db.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?)", (*stamp, told))

    def forget(self, names: Iterable[str]) -> None:
        """Forget runs that there are no more."""
        for name in names:
            self._db.execute("DELETE FROM pieces WHERE run = ?", (name,))
            self._db.execute("DELETE FROM runs WHERE name = ?", (name,))

    def told(self, names: Sequence[str]) -> list[bytes]:
        """What the tracker told of these runs, in the order of their making."""
        found: list[tuple[int, bytes]] = []
        for some in _chunks(names):
            marks = ", ".join("?" * len(some))
            found += self._db.execute(f"SELECT place, told FROM runs WHERE name IN ({marks})", some).fetchall()
        return [told for _, told in sorted(found, key=lambda row: row[0])]

    # --- rows ---

    def without(self, kind: str, names: Sequence[str]) -> list[str]:
        """Those of these runs whose rows of a kind have not been fetched as they are now."""
        rows = self._db.execute("SELECT run FROM pieces WHERE kind = ?", (kind,))
        have = {row[0] for row in rows}
        return [name for name in names if name not in have]

    def add(self, kind: str, table: pa.Table | None, rows: Mapping[str, int]) -> None:
        """Keep the rows of runs: `table` has those of all, with the column `run_id`; `rows`, how many each has."""
        part = None
        if table is not None:
            part = self._db.execute(
                "INSERT INTO parts (kind, rows) VALUES (?, ?)", (kind, table.num_rows)
            ).lastrowid
            pq.write_table(table, self._path(part), compression="zstd", compression_level=1)
        self._db.executemany(
            "INSERT OR REPLACE INTO pieces VALUES (?, ?, ?, ?)",
            [(kind, run, part, count) for run, count in rows.items()],
        )

    def kinds(self, names: Sequence[str]) -> dict[str, list[str]]:
        """The kinds that have been fetched, each with those of these runs that have it."""
        wanted, found = set(names), dict[str, list[str]]()
        for kind, run in self._db.execute("SELECT kind, run FROM pieces ORDER BY kind"):
            if run in wanted:
                found.setdefault(kind, []).append(run)
        return found

    def table(self, kind: str, names: Sequence[str]) -> pa.Table | None:
        """The rows of these runs, in the order of `names`; None where there are none.

        Raises:
            Damaged: a file cannot be read.
        """
        wanted, of_part = set(names), dict[int, list[str]]()
        everything = dict(self._db.execute("SELECT id, rows FROM parts WHERE kind = ?", (kind,)).fetchall())
        for run, part, rows in self._db.execute("SELECT run, part, rows FROM pieces WHERE kind = ?", (kind,)):
            if part is not None and run in wanted:
                of_part.setdefault(part, []).append(run)
                everything[part] -= rows
        found = [
            _read(self._path(part), runs if everything[part] else None) for part, runs in sorted(of_part.items())
        ]
        return in_order(joined(found), names)

    def drop(self, kind: str) -> None:
        """Forget the rows of a kind; they are to be asked anew."""
        self._db.execute("DELETE FROM pieces WHERE kind = ?", (kind,))
        self._db.execute("DELETE FROM parts WHERE kind = ?", (kind,))

    def tidy(self, kind: str) -> None:
        """Write the parts of a kind into one, where they are many or half of their rows are of no use.

        Raises:
            Damaged: a file cannot be read.
        """
        parts = dict(self._db.execute("SELECT id, rows FROM parts WHERE kind = ?", (kind,)).fetchall())
        pieces = self._db.execute("SELECT run, rows FROM pieces WHERE kind = ?", (kind,)).fetchall()
        if len(parts) <= MOST_PARTS and 2 * sum(rows for _, rows in pieces) >= sum(parts.values()):
            return
        table = self.table(kind, [run for run, _ in pieces])
        self._db.execute("DELETE FROM parts WHERE kind = ?", (kind,))
        self.add(kind, table, dict(pieces))

    def _path(self, part: int | None) -> Path:
        return self.folder / f"{part}.parquet"

    def _sweep(self) -> None:
        """Remove the files that the index does not name."""
        named = {f"{row[0]}.parquet" for row in self._db.execute("SELECT id FROM parts")}
        for path in self.folder.glob("*.parquet"):
            if path.name not in named:
                path.unlink(missing_ok=True)


def _read(path: Path, runs: Sequence[str] | None) -> pa.Table:
    """The rows of these runs in a part; all where none are named."""
    try:
        table = pq.read_table(path, read_dictionary=[RUN])
    except (pa.ArrowException, OSError) as error:
        raise Damaged(f"{path}: {error}") from error
    if runs is None:
        return table
    return table.filter(pc.is_in(table[RUN], pa.array(runs, table[RUN].type.value_type)))


def in_order(table: pa.Table | None, names: Sequence[str]) -> pa.Table | None:
    """The rows run by run, in the order of `names`; those of one run as they stood."""
    if table is None or not table.num_rows:
        return table
    column = table[RUN].combine_chunks()
    column = column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
    places = (
        pc.index_in(column.dictionary, pa.array(names, column.dictionary.type)).take(column.indices).to_numpy()
    )
    if (places[1:] >= places[:-1]).all():
        return table
    return table.take(np.argsort(places, kind="stable"))


def joined(tables: Sequence[pa.Table]) -> pa.Table | None:
    """Tables below one another; a column that is a number here and a text there is text, a lacking one null."""
    if not tables:
        return None
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        types: dict[str, set[pa.DataType]] = {}
        for table in tables:
            for field in table.schema:
                types.setdefault(field.name, set()).add(field.type)
        odd = {name for name, kinds in types.items() if _is_mixed(kinds)}
        return pa.concat_tables([_as_text(table, odd) for table in tables], promote_options="permissive")


def _is_mixed(kinds: set[pa.DataType]) -> bool:
    try:
        pa.unify_schemas([pa.schema([("x", kind)]) for kind in kinds], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return True
    return False


def _as_text(table: pa.Table, names: set[str]) -> pa.Table:
    for index, name in enumerate(table.column_names):
        if name in names:
            values = [None if value is None else str(value) for value in table[name].to_pylist()]
            table = table.set_column(index, name, pa.array(values, pa.string()))
    return table


def _opened(folder: Path) -> sqlite3.Connection:
    """The index, for this process alone until it is closed; a damaged one, or of another form, begins anew."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # what a key may see is not for everybody on this machine
    for anew in (False, True):
        db = sqlite3.connect(folder / "index.db", timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            db.execute("BEGIN EXCLUSIVE")
            form = db.execute("PRAGMA user_version").fetchone()[0]
            if form == FORM and _is_whole(db, folder):
                return db
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                db.execute(f"DROP TABLE {table}")
            for statement in filter(str.strip, _INDEX.split(";")):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {FORM}")
        except sqlite3.DatabaseError as error:
            db.close()
            if anew or "locked" in str(error):
                raise
            shutil.rmtree(folder)
            folder.mkdir(mode=0o700, parents=True)
        else:
            return db
    raise AssertionError("the second turn returns or raises")


def _is_whole(db: sqlite3.Connection, folder: Path) -> bool:
    """Whether all files of the index are there."""
    return all((folder / f"{row[0]}.parquet").is_file() for row in db.execute("SELECT id FROM parts"))


def _chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), CHUNK):
        yield names[start : start + CHUNK]


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """The mirror in a folder, kept as it is left; forgotten what an error interrupts."""
    store = Store(folder)
    try:
        yield store
    except BaseException:
        store.close(keep=False)
        raise
    store.close(keep=True)
