"""A mirror of a project on this machine: what was read once is not asked for again while it is the same.

A first look at a sweep of thousands of runs takes what its bytes take; the next one asks which runs have changed,
and for those alone. Rows and tables come when somebody asks for them. The mirror is a cache: deleted, it comes
again; runs that are deleted or changed are so in the next look.
"""

import atexit
import hashlib
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from framework.errors import ArtifactError, TrackerError
from framework.tracking.bulk import Bulk, offer
from framework.tracking.cache import cache_folder
from framework.tracking.mirror.rows import columns_of, named, parse, table_of
from framework.tracking.mirror.source import BulkSource, File, Rows, Source
from framework.tracking.mirror.store import Damaged, Stamp, Store, joined, opened
from framework.tracking.run import SASHIKO
from framework.tracking.tracker import Tracker

HISTORY, TABLES, NAMED, APART, TABLE = "history", "tables", "named:", "apart:", "table:"
"""Kinds of rows: the history; that it is known which tables there are, which, and which apart; a table's."""
AT_ONCE = 8 << 20
"""Bytes of rows that are read into columns at once."""
FEW = 0.5
"""The share of runs up to which they are asked for by name."""
KEPT = (
    "id", "name", "state", "sweep", "group", "job_type", "tags", "notes", "created_at", "heartbeat_at",
    "exit_code", "commit", "host", "config", "summary",
)  # fmt: skip
"""What is kept of what the tracker tells of a run."""
Say = Callable[[str, int, int], None]
"""Told what is fetched, how much of it is here, and how much there is."""


@dataclass
class Mirror:
    """The mirror of one project, as it is now: open it with `look`."""

    source: Source
    store: Store
    sweeps: Collection[str] | None
    stamps: list[Stamp]
    say: Say
    folder: Path

    @contextmanager
    def again(self) -> "Iterator[Mirror]":
        """The same mirror once more: the runs are those that it had, and what they logged comes when asked for."""
        with opened(self.folder) as store:
            yield replace(self, store=store)

    @property
    def names(self) -> list[str]:
        """The runs, in the order of their making."""
        return [stamp.name for stamp in self.stamps]

    def runs(self) -> list[dict[str, Any]]:
        """What the tracker tells of each run."""
        return [parse(told) for told in self.store.told(self.names)]

    def history(self, names: Sequence[str] | None = None) -> pa.Table | None:
        """The rows of runs, of all by default."""
        return self._kept(HISTORY, self.names if names is None else names, self._fetch_rows)

    def table_names(self, names: Sequence[str] | None = None) -> dict[str, list[str]]:
        """The tables that runs logged, each with the runs that did."""
        return self._logged(NAMED, names)

    def apart(self, names: Sequence[str] | None = None) -> dict[str, list[str]]:
        """The tables that stand apart, and are not fetched here, each with the runs that logged it."""
        return self._logged(APART, names)

    def table(self, name: str, names: Sequence[str] | None = None) -> pa.Table | None:
        """A table that runs logged, joined; None where none of them did."""
        having = self.table_names(names).get(name, [])
        return self._kept(TABLE + name, having, lambda lacking: self._fetch_tables(lacking, name))

    def _kept(self, kind: str, wanted: Sequence[str], fetch: Callable[[Sequence[str]], None]) -> pa.Table | None:
        """The rows of a kind: what lacks is fetched; what is damaged here is forgotten, and fetched once more."""
        for last in (False, True):
            try:
                if lacking := self.store.without(kind, wanted):
                    fetch(lacking)
                    gone = self.store.without(kind, lacking)
                    self.store.add(kind, None, dict.fromkeys(gone, 0))
                    self.store.tidy(kind)
                return self.store.table(kind, wanted)
            except Damaged:
                if last:
                    raise
                self.store.drop(kind)
        return None

    def _logged(self, kind: str, names: Sequence[str] | None) -> dict[str, list[str]]:
        wanted = self.names if names is None else names
        lacking = self.store.without(TABLES, wanted)
        if lacking:
            self._fetch_tables(lacking, None)
            self.store.add(TABLES, None, dict.fromkeys(lacking, 0))
        of_kind = {one: set(runs) for one, runs in self.store.kinds(wanted).items() if one.startswith(kind)}
        return {one.removeprefix(kind): [run for run in wanted if run in runs] for one, runs in of_kind.items()}

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

    def _fetch_tables(self, lacking: Sequence[str], only: str | None) -> None:
        """Fetch which tables runs have, or the table `only`; what comes besides is kept as well."""
        held: dict[str, list[tuple[str, pa.Table]]] = {}
        known: dict[str, list[str]] = {}
        size = 0
        for done, files in enumerate(self.source.tables(*self.asked(lacking), only), 1):
            for file in files:
                known.setdefault((APART if file.apart else NAMED) + file.table, []).append(file.run)
                if file.body is not None:
                    held.setdefault(file.table, []).append((file.run, read_file(file)))
                    size += len(file.body)
            if size >= AT_ONCE:
                self._keep_tables(held)
                held, size = {}, 0
            self.say("tables" if only is None else f"table {only}", done, len(lacking))
        self._keep_tables(held)
        for kind, runs in known.items():
            self.store.add(kind, None, dict.fromkeys(runs, 0))

    def _keep_tables(self, held: Mapping[str, Sequence[tuple[str, pa.Table]]]) -> None:
        for name, tables in held.items():
            counts = [(run, table.num_rows) for run, table in tables]
            whole = named(joined([table for _, table in tables]), counts)
            self.store.add(TABLE + name, whole.combine_chunks(), dict(counts))

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
    about = offer(tracker)
    source = _source(tracker, entity, project, in_bulk=about is not None)
    folder = _usable(folder_of((about or {}).get("id", tracker.url), tracker.key, project_path))
    stamps = source.stamps(sweeps)
    if stamps is None:
        raise TrackerError(f"there is no project {project_path} on {tracker.url}; look with: wandb projects")
    now = {stamp.name: stamp for stamp in stamps}
    with opened(folder) as store:
        mirror = Mirror(source, store, sweeps, stamps, say or (lambda what, done, total: None), folder)
        known = store.stamps(sweeps)
        store.forget(known.keys() - now.keys())
        changed = [name for name, stamp in now.items() if known.get(name) != stamp]
        if changed:
            told = source.told(*mirror.asked(changed))
            store.put((now[name], slim(body)) for name, body in told if name in now)
        yield mirror


def _usable(folder: Path) -> Path:
    """The folder; where nothing can be written there, one that goes with this process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        print(f"{error}; what is read is not kept (SASHIKO_CACHE names another place)", file=sys.stderr)
        made = Path(tempfile.mkdtemp(prefix="sashiko-mirror-"))
        atexit.register(shutil.rmtree, made, ignore_errors=True)
        return made


def slim(told: bytes) -> bytes:
    """What is read of a run, again and again: not its files and lineage, nor its config a second time.

    A run of this framework tells its whole config typed, beside the form in which W&B has it.
    """
    write: Callable[[Any], bytes] = orjson.dumps
    try:
        run = orjson.loads(told)
    except orjson.JSONDecodeError:  # NaN, which is to stay
        run, write = json.loads(told), _dumps
    kept = {key: run.get(key) for key in KEPT}
    truth = run["config"].get(SASHIKO)
    if isinstance(truth, dict) and "config" in (truth.get("value") or {}):
        kept["config"] = {SASHIKO: truth}
    return write(kept)


def _dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


def _source(tracker: Tracker, entity: str, project: str, *, in_bulk: bool) -> Source:
    if in_bulk:
        return BulkSource(Bulk(tracker, entity, project))
    from framework.tracking.mirror.api_source import ApiSource

    return ApiSource(tracker, entity, project)


def folder_of(server: str, key: str, project_path: str) -> Path:
    """Where the mirror of a project lies. Another key of the same server may see other things: it has its own."""
    reader = hashlib.sha256(f"{server} {key}".encode()).hexdigest()[:16]
    return cache_folder() / "mirrors" / reader / quote(project_path, safe="")
