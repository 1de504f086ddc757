"""A mirror of a project on this machine: what was read once is not asked for again while it is the same.

A first look at a sweep of thousands of runs takes what its bytes take; the next one asks which runs have changed,
and for those alone. Rows and tables come when somebody asks for them. The mirror is a cache: deleted, it comes
again; runs that are deleted or changed are so in the next look.
"""

import hashlib
import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from framework.errors import ArtifactError, TrackerError
from framework.tracking.bulk import Bulk, offered
from framework.tracking.cache import cache_folder
from framework.tracking.mirror.rows import columns_of, named, table_of
from framework.tracking.mirror.source import BulkSource, File, Rows, Source
from framework.tracking.mirror.store import Stamp, Store, joined, opened
from framework.tracking.tracker import Tracker

HISTORY, TABLES, TABLE, APART = "history", "tables", "table:", "apart:"
"""Kinds of rows: the history, that tables were fetched, a table by name, and that a table stands apart."""
AT_ONCE = 8 << 20
"""Bytes of rows that are read into columns at once."""
FEW = 0.5
"""The share of runs up to which they are asked for by name."""
Say = Callable[[str, int, int], None]
"""Told what is fetched, how much of it is here, and how much there is."""


@dataclass
class Mirror:
    """The mirror of one project, as it is now: open it with `look`."""

    source: Source
    store: Store
    sweeps: Collection[str] | None
    stamps: list[Stamp]
    say: Say = field(default=lambda what, done, total: None)

    @property
    def names(self) -> list[str]:
        """The runs, in the order of their making."""
        return [stamp.name for stamp in self.stamps]

    def runs(self) -> list[dict[str, Any]]:
        """What the tracker tells of each run."""
        return [orjson.loads(told) for told in self.store.told(self.names)]

    def history(self, names: Sequence[str] | None = None) -> pa.Table | None:
        """The rows of runs, of all by default."""
        wanted = self.names if names is None else names
        lacking = self.store.without(HISTORY, wanted)
        if lacking:
            self._fetch_rows(lacking)
            gone = set(self.store.without(HISTORY, lacking))
            self.store.add(HISTORY, None, dict.fromkeys(gone, 0))
            self.store.tidy(HISTORY)
        return self.store.table(HISTORY, wanted)

    def table_names(self, names: Sequence[str] | None = None) -> dict[str, list[str]]:
        """The tables that runs logged, each with the runs that did."""
        self._fetch_tables(self.names if names is None else names)
        kinds = self.store.kinds(self.names if names is None else names)
        return {kind.removeprefix(TABLE): runs for kind, runs in kinds.items() if kind.startswith(TABLE)}

    def table(self, name: str, names: Sequence[str] | None = None) -> Callable[[], pa.Table | None]:
        """A table that runs logged, joined, to be read when it is asked for: None where none of them did."""
        self._fetch_tables(self.names if names is None else names)
        return self.store.later(TABLE + name, self.names if names is None else names)

    def apart(self, names: Sequence[str] | None = None) -> dict[str, list[str]]:
        """The tables that stand apart and have not been fetched, each with the runs that logged it."""
        self._fetch_tables(self.names if names is None else names)
        kinds = self.store.kinds(self.names if names is None else names)
        return {kind.removeprefix(APART): runs for kind, runs in kinds.items() if kind.startswith(APART)}

    def _fetch_rows(self, lacking: Sequence[str]) -> None:
        """Fetch rows, and read those that have come while others are on their way."""
        held: list[Rows] = []
        size = 0
        with ThreadPoolExecutor(1) as pool:
            kept: Future[None] | None = None
            for done, rows in enumerate(self.source.histories(*self.asked(lacking)), 1):
                held.append(rows)
                size += len(rows.body)
                if size >= AT_ONCE:
                    if kept is not None:
                        kept.result()  # no more is held than what is read, and what comes meanwhile
                    kept = pool.submit(self._keep_rows, held)
                    held, size = [], 0
                self.say("rows", done, len(lacking))
            if kept is not None:
                kept.result()
        self._keep_rows(held)

    def _keep_rows(self, held: Sequence[Rows]) -> None:
        if held:
            self.store.add(HISTORY, table_of(held), {rows.run: rows.number for rows in held})

    def _fetch_tables(self, wanted: Sequence[str]) -> None:
        lacking = self.store.without(TABLES, wanted)
        held: dict[str, list[tuple[str, pa.Table]]] = {}
        apart: dict[str, list[str]] = {}
        size = 0
        for done, files in enumerate(self.source.tables(*self.asked(lacking)) if lacking else (), 1):
            for file in files:
                if file.body is None:
                    apart.setdefault(file.table, []).append(file.run)
                else:
                    held.setdefault(file.table, []).append((file.run, read_file(file)))
                    size += len(file.body)
            if size >= AT_ONCE:
                self._keep_tables(held)
                held, size = {}, 0
            self.say("tables", done, len(lacking))
        self._keep_tables(held)
        for name, runs in apart.items():
            self.store.add(APART + name, None, dict.fromkeys(runs, 0))
        self.store.add(TABLES, None, dict.fromkeys(lacking, 0))

    def _keep_tables(self, held: Mapping[str, Sequence[tuple[str, pa.Table]]]) -> None:
        for name, tables in held.items():
            counts = [(run, table.num_rows) for run, table in tables]
            whole = named(joined([table for _, table in tables]), counts)
            self.store.add(TABLE + name, whole.combine_chunks(), dict(counts))
            self.store.tidy(TABLE + name)

    def asked(self, lacking: Sequence[str]) -> tuple[Sequence[str] | None, Collection[str] | None]:
        """By name, where those are few; else all, which is less work for everybody."""
        return (lacking, None) if len(lacking) <= FEW * len(self.stamps) else (None, self.sweeps)


def read_file(file: File) -> pa.Table:
    """The table in a file that a run logged: parquet, or what `wandb.Table` writes.

    Raises:
        ArtifactError: it is neither.
    """
    try:
        if file.is_parquet:
            return plain(pq.read_table(io.BytesIO(file.body or b""), use_threads=False))
        told = json.loads(file.body or b"")
        rows = [dict(zip(map(str, told["columns"]), row, strict=True)) for row in told["data"]]
        return columns_of(rows, list(map(str, told["columns"])))
    except (ValueError, KeyError, TypeError, pa.ArrowInvalid) as error:
        raise ArtifactError(f"the table {file.table} of run {file.run} cannot be read: {error}") from error


def plain(table: pa.Table) -> pa.Table:
    """A table without categories, which differ from run to run, and without what pandas noted beside it."""
    for index, kind in enumerate(table.schema.types):
        if pa.types.is_dictionary(kind):
            table = table.set_column(index, table.column_names[index], table[index].cast(kind.value_type))
    return table.replace_schema_metadata(None)


@contextmanager
def look(
    tracker: Tracker, project_path: str, sweeps: Collection[str] | None = None, say: Say | None = None
) -> Iterator[Mirror]:
    """The mirror of a project (entity/project) as the tracker has it now: all of it, or some sweeps (by id).

    Raises:
        TrackerError: there is no such project or sweep, or the tracker does not answer.
    """
    entity, project = project_path.split("/", 1)
    source = _source(tracker, entity, project)
    with opened(folder_of(tracker, project_path)) as store:
        stamps = source.stamps(sweeps)
        if stamps is None:
            raise TrackerError(f"there is no project {project_path} on {tracker.url}; look with: wandb projects")
        mirror = Mirror(source, store, sweeps, stamps, say or (lambda what, done, total: None))
        known, now = store.stamps(sweeps), {stamp.name: stamp for stamp in stamps}
        store.forget(known.keys() - now.keys())
        changed = [name for name, stamp in now.items() if known.get(name) != stamp]
        if changed:
            told = source.told(*mirror.asked(changed))
            store.put((now[name], body) for name, body in told if name in now)
        yield mirror


def _source(tracker: Tracker, entity: str, project: str) -> Source:
    if offered(tracker):
        return BulkSource(Bulk(tracker, entity, project))
    from framework.tracking.mirror.api_source import ApiSource

    return ApiSource(tracker, entity, project)


def folder_of(tracker: Tracker, project_path: str) -> Path:
    """Where the mirror of a project lies. Another key of the same server may see other things: it has its own."""
    reader = hashlib.sha256(f"{tracker.url} {tracker.key}".encode()).hexdigest()[:16]
    return cache_folder() / "mirrors" / reader / quote(project_path, safe="")
