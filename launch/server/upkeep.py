"""Looking after a served folder, whether or not its server runs: back it up, verify it, prune it.

A backup is itself a folder that can be served. Files are named by their content and never change, so those that a
backup already holds are not copied again, and a snapshot of the database taken first names only files that are
already there. This module does not know HTTP.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from framework.errors import SashikoError
from launch.server import copies, damage, opening
from launch.server.copies import Copy
from launch.server.instance import KEY_FILE, SECRET_FILE, ServerBusy, only_one
from launch.server.limits import AHEAD_SECONDS
from launch.server.storage import Tables, must_be_current, must_not_be_newer, open_store

Reference = tuple[str, int | None, str]
"""A blob that a row names: its name, its size where it is known, and what it is."""
DATABASE, BLOBS, EXPORTS = "server.db", "blobs", "exports"
INCOMING, HALF = "incoming", ".new"
"""The folder of blobs that are about to arrive, and how the names of what is half copied end."""
CHUNK = 1 << 20
SHA256_DIGITS = 64
YOUNG_SECONDS = 24 * 3600.0
"""Files that no row names are left alone for so long: their upload may have only just begun to be used."""
REFERENCES = (
    "SELECT blob, run_files.size, 'file ' || run_files.name || ' of run ' || runs.name FROM run_files"
    " JOIN runs NOT INDEXED ON runs.id = run_id WHERE run_id BETWEEN ? AND ?",
    "SELECT blob, entries.size, entries.path || ' of ' || collections.name || ':v' || version_index FROM entries"
    " JOIN artifacts NOT INDEXED ON artifacts.id = entries.artifact_id"
    " JOIN collections NOT INDEXED ON collections.id = artifacts.collection_id"
    " WHERE entries.artifact_id BETWEEN ? AND ? AND blob IS NOT NULL AND artifacts.state = 'COMMITTED'",
    "SELECT manifest_blob, NULL, 'the manifest of ' || collections.name || ':v' || version_index"
    " FROM artifacts NOT INDEXED JOIN collections NOT INDEXED ON collections.id = artifacts.collection_id"
    " WHERE artifacts.id BETWEEN ? AND ? AND manifest_blob IS NOT NULL AND artifacts.state = 'COMMITTED'",
    "SELECT blob, aged.size, stream || ' lines ' || first || ' to ' || last || ' of run ' || runs.name FROM aged"
    " JOIN runs NOT INDEXED ON runs.id = run_id WHERE run_id BETWEEN ? AND ?",
)
"""Every blob that a row names, for a range of owners; by the tables alone: a damaged index hides nothing."""
NAMES = (
    "SELECT blob, size FROM run_files UNION ALL SELECT blob, size FROM aged"
    " UNION ALL SELECT DISTINCT blob, entries.size FROM entries"
    " JOIN artifacts ON artifacts.id = entries.artifact_id"
    " WHERE blob IS NOT NULL AND artifacts.state = 'COMMITTED'"
    " UNION ALL SELECT manifest_blob, NULL FROM artifacts WHERE manifest_blob IS NOT NULL AND state = 'COMMITTED'"
)
"""The names and sizes alone, which is a fraction of the work."""
AT_WORK = 16
"""Files that are copied side by side."""
AT_ONCE = 100
"""Files that one transaction looks at: meanwhile nobody else writes."""


class NothingServed(SashikoError):
    """The folder holds no database of a server."""


@dataclass
class Report:
    """What `verify` found: how much is there, what is wrong with it, and which copies from before upgrades.

    `unused`: files that nothing names; of a damaged database nobody can tell, so there are none.
    """

    files: int = 0
    size: int = 0
    unused: int = 0
    problems: list[str] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)


def backup(directory: Path, destination: Path) -> tuple[int, int]:
    """Copy a served folder, also while it is served; how many files were copied, and their bytes.

    Raises:
        NothingServed: `directory` holds no database.
        Unusable: the destination is served, or is the folder itself, or its disk is full; what was there before is
            as it was.
        OSError: the destination cannot be written.
    """
    mine, other = directory.resolve(), destination.resolve()
    if mine == other or mine / BLOBS in (other, *other.parents):
        raise opening.Unusable(f"{destination} is what is to be backed up: name another folder")
    fresh = destination / f"{DATABASE}.new"
    with _database(directory) as source, _room_told(destination), contextlib.ExitStack() as held:
        destination.mkdir(parents=True, exist_ok=True)
        destination.chmod(0o700)
        held.enter_context(_nobody_serves(destination))
        held.enter_context(_files_stay(directory))
        try:
            with ThreadPoolExecutor(1) as aside:  # what is there already is looked at while the database is copied
                there = aside.submit(_sizes, destination)
                named = _snapshot(source, fresh)
            sizes = _copy_lacking(directory, destination, named, there.result())
            for name in (KEY_FILE, SECRET_FILE):
                if (directory / name).exists():
                    _copy(directory / name, destination / name)
            for leftover in ("-wal", "-shm"):
                (destination / f"{DATABASE}{leftover}").unlink(missing_ok=True)
            fresh.replace(destination / DATABASE)
        finally:
            _forget(fresh)
    return len(sizes), sum(sizes)


def _snapshot(source: sqlite3.Connection, fresh: Path) -> dict[str, int | None]:
    """Copy the database; every blob that the copy names, with its size where it is known."""
    _forget(fresh)
    with opening.room_told(fresh):
        with contextlib.closing(sqlite3.connect(fresh)) as copy:
            copy.execute("PRAGMA journal_mode = OFF")  # it counts only once it is whole, and on the disk
            copy.execute("PRAGMA synchronous = OFF")
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            named = _named(copy)
        _to_disk(fresh)
    return named


def _forget(fresh: Path) -> None:
    """Delete a copy of a database that did not become one, and what SQLite keeps beside it."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        fresh.with_name(f"{fresh.name}{suffix}").unlink(missing_ok=True)


def _copy_lacking(
    directory: Path, destination: Path, named: Mapping[str, int | None], there: Mapping[str, int]
) -> list[int]:
    """Copy the blobs that a backup lacks, or has cut off; their sizes. `there`: the sizes of those it has."""
    half = [destination / BLOBS / name[:2] / name for name in there if name.endswith(HALF)]  # by older versions
    for leftover in (*half, *(destination / BLOBS / INCOMING).glob(f"*{HALF}")):  # of a backup that was killed
        leftover.unlink(missing_ok=True)
    lacking = sorted(name for name, size in named.items() if name not in there or size not in (None, there[name]))
    with ThreadPoolExecutor(AT_WORK) as threads:  # each waits for the disk, which takes many as fast as one
        return list(threads.map(lambda digest: _copy_blob(directory, destination, digest), lacking))


@contextlib.contextmanager
def _nobody_serves(destination: Path) -> Iterator[None]:
    """Hold the folder of a backup: a server of it would go on with a database that is gone.

    Raises:
        Unusable: one serves it.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(only_one(destination))
        except ServerBusy as error:
            raise opening.Unusable(
                f"{error}: nothing was written there; back up into another folder, or stop that server first"
            ) from error
        yield


@contextlib.contextmanager
def _files_stay(directory: Path, *, for_me: bool = False) -> Iterator[None]:
    """Let nobody delete files while they are read; or `for_me`, see that nobody reads them.

    Raises:
        Unusable: somebody does.
    """
    try:
        descriptor = os.open(directory / BLOBS, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):  # there are none
        yield
        return
    try:
        _lock(descriptor, directory, for_me=for_me)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, directory: Path, *, for_me: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if for_me else fcntl.LOCK_SH)
    except BlockingIOError as error:
        raise opening.Unusable(
            f"{directory} is being backed up or verified: prune it when that is over; nothing was deleted"
        ) from error
    except OSError:  # a file system without locks
        return


@contextlib.contextmanager
def _room_told(destination: Path) -> Iterator[None]:
    """Say whose disk is full: what the system names is the file that was to be copied.

    Raises:
        Unusable: that of the destination.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in opening.NO_ROOM:
            raise
        raise opening.Unusable(
            f"{destination}: no space left on its disk: make room there, or lift the limit (quota, ulimit -f), and"
            " back up again: what has been copied is not copied twice, and a backup from before is as it was"
        ) from error


def verify(directory: Path) -> Report:
    """Read every file and every row: each digest, each size, the database's own structure.

    Of a damaged database it is told what cannot be read of which tables, and of files, as far as their names can.
    That all was right is noted in the folder, if it has `copies`: they wait for it.

    Raises:
        NothingServed: `directory` holds no database.
    """
    begun, report = time.time(), Report()
    with _files_stay(directory):
        named, is_damaged = _database_verified(directory, report)
        _files_verified(directory, report, named)
    if is_damaged:
        report.unused = 0
    if not report.problems and copies.listed(directory):
        copies.note_verified(directory, begun)
    report.copies = copies.listed(directory)
    return report


def _database_verified(directory: Path, report: Report) -> tuple[list[Reference], bool]:
    """Look at the database; the blobs that it names, as far as they can be read, and whether it is damaged."""
    database, named = _found(directory), list[Reference]()
    cut = damage.missing_bytes(database)
    try:
        named = [] if cut else _rows_verified(directory, report)
    except sqlite3.DatabaseError as error:
        if not damage.is_damage(error):
            raise
        report.problems.append(f"{DATABASE}: {error}")
    if not cut and not report.problems:
        return named, False
    lost, named = _lost(database)
    report.problems += lost
    return named, True


def _files_verified(directory: Path, report: Report, named: Sequence[Reference]) -> None:
    """Read every file, and look whether those that are named are there."""
    sizes, wrong, before = {}, set(), len(report.problems)
    for path in _files(directory):
        sizes[path.name] = path.stat().st_size
        report.files, report.size = report.files + 1, report.size + sizes[path.name]
        if _digest(path) != path.name:
            wrong.add(path.name)
            report.problems.append(f"{path}: its content has another digest than its name says")
    for digest, size, what in named:
        if digest not in sizes:
            report.problems.append(f"{what}: its content ({digest}) is missing")
        elif size is not None and sizes[digest] != size:
            report.problems.append(f"{what}: {sizes[digest]} bytes, {size} were noted ({digest})")
        elif digest in wrong:
            report.problems.append(f"{what}: its content ({digest}) is damaged")
    if len(report.problems) > before:
        report.problems.append(f"to go on: copy these files from a backup to where they were, {BLOBS}/AB/ABCD…")
    report.unused = len(sizes.keys() - {digest for digest, _, _ in named})


def _rows_verified(directory: Path, report: Report) -> list[Reference]:
    """Look at the database's structure, and what its rows refer to; every blob that it names."""
    with _database(directory) as db:
        for (line,) in db.execute("PRAGMA integrity_check"):
            if line != "ok":
                report.problems.append(f"{DATABASE}: {'; '.join(line.splitlines())}")
        orphans: dict[tuple[str, str], list[int | None]] = defaultdict(list)
        for table, row, parent, _ in db.execute("PRAGMA foreign_key_check"):
            orphans[table, parent].append(row)
        for (table, parent), rows in orphans.items():
            one = "a row" if rows[0] is None else f"row {rows[0]}"
            told = f"{len(rows):,} rows of {table} name rows of {parent} that are gone"
            told = f"{one} of {table} names a row of {parent} that is gone" if len(rows) == 1 else told
            report.problems.append(f"{DATABASE}: {told}")
        return [row for sql in REFERENCES for row in db.execute(sql, damage.ALL).fetchall()]


def _lost(path: Path) -> tuple[list[str], list[Reference]]:
    """What cannot be read of a damaged database, and what to do about it; the blobs that what is left names."""
    missing = damage.missing_bytes(path)
    named: list[Reference] = []
    with damage.opened(path) as db:
        losses, broken = list(damage.losses(db)), list[str]()
        lost = [f"{DATABASE}: {loss}{damage.names(db, loss)}" for loss in losses]
        if all(loss.table != damage.SCHEMA for loss in losses):
            broken += damage.broken_indices(db)
            named += [row for sql in REFERENCES for row in damage.readable(db, sql)]
    lost += [f"{DATABASE}: the index {name} cannot be read" for name in broken]
    if missing:
        have = path.stat().st_size
        lost.insert(0, f"{DATABASE} is cut off: {have:,} of {have + missing:,} bytes are there")
    if missing and not losses and not broken:
        to_do = f"`sashiko serve --dir {path.parent} compact`, which writes it anew; no row is lost"
    else:
        after = "what came after the backup is lost" if losses else "every row of it can be read as it is"
        to_do = f"{opening.FROM_BACKUP}; {after}"
    return [*lost, f"to go on: stop its server, and {to_do}"], named


def prune(directory: Path, older_than: float = YOUNG_SECONDS) -> tuple[int, int]:
    """Delete the files that nothing names any more; how many, and their bytes.

    Each that no row names is looked at once more and deleted within one transaction. Whoever names a blob does so
    in a transaction too, and makes it young in it (`Blobs.renew`): it comes before, and the file stays, or after,
    and finds that it is gone.

    Raises:
        NothingServed: `directory` holds no database.
        Unusable: it is being backed up or verified.
    """
    with _files_stay(directory, for_me=True):
        return _prune(directory, older_than)


def _prune(directory: Path, older_than: float) -> tuple[int, int]:
    before, database = time.time() - older_than, served(directory)
    for export in (directory / EXPORTS).glob("*"):
        if _is_old(export, before):
            export.unlink(missing_ok=True)  # made anew when somebody asks
    files = size = 0
    with contextlib.closing(open_store(database)) as store:
        with _database(directory) as db:
            named = _named(db)
        unnamed = (path for path in _files(directory) if path.name not in named)
        old = [path for path in unnamed if _is_old(path, before)]
        for start in range(0, len(old), AT_ONCE):
            with store.write() as tables:
                for path in old[start : start + AT_ONCE]:
                    freed = _pruned(tables, path, before)
                    files, size = files + (freed is not None), size + (freed or 0)
    return files, size


def _is_old(path: Path, before: float) -> bool:
    """Whether a file has not been touched since. One from far ahead (a wrong clock) ages from now on."""
    touched = path.stat().st_mtime
    if touched > time.time() + AHEAD_SECONDS:
        os.utime(path)
    return touched < before


def _pruned(tables: Tables, path: Path, before: float) -> int | None:
    """Delete a file if it is still old and nothing names it; its size, or None."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if found.st_mtime >= before or tables.artifacts.names_blob(path.name):
        return None
    path.unlink()
    return found.st_size


@contextlib.contextmanager
def _database(directory: Path) -> Iterator[sqlite3.Connection]:
    must_be_current(served(directory))
    with contextlib.closing(sqlite3.connect(served(directory), timeout=20)) as db:
        db.execute("PRAGMA query_only = ON")
        yield db


def served(directory: Path) -> Path:
    """The database of a folder.

    Raises:
        NothingServed: there is none.
    """
    path = _found(directory)
    must_not_be_newer(path)
    return path


def _found(directory: Path) -> Path:
    path = directory / DATABASE
    if not path.is_file():
        raise NothingServed(f"{directory} holds no {DATABASE}: it was never served")
    return path


def _files(directory: Path) -> Iterator[Path]:
    yield from (path for path in (directory / BLOBS).glob("??/*") if path.is_file())


def _digest(path: Path) -> str:
    """What a blob's name has to be: its SHA-256, or its MD5 if an older version stored it."""
    digest = hashlib.sha256() if len(path.name) == SHA256_DIGITS else hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _named(db: sqlite3.Connection) -> dict[str, int | None]:
    """Every blob that a row names, with its size where it is known."""
    return dict(db.execute(NAMES).fetchall())


def _sizes(directory: Path) -> dict[str, int]:
    """The blobs of a folder, with their sizes."""
    sizes: dict[str, int] = {}
    for folder in (directory / BLOBS).glob("??"):
        with os.scandir(folder) as found:
            sizes.update((entry.name, entry.stat().st_size) for entry in found)
    return sizes


def _copy_blob(directory: Path, destination: Path, digest: str) -> int:
    """Copy a blob by way of where half of one is none (`Blobs` has the same place)."""
    incoming = destination / BLOBS / INCOMING / f"{digest}.{os.getpid()}{HALF}"
    incoming.parent.mkdir(parents=True, exist_ok=True)
    return _copy(directory / BLOBS / digest[:2] / digest, destination / BLOBS / digest[:2] / digest, incoming)


def _to_disk(path: Path) -> None:
    """Wait until a file is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _copy(source: Path, target: Path, beside: Path | None = None) -> int:
    """Copy a file, whole or not at all; its size."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = beside or target.with_name(f"{target.name}.{os.getpid()}{HALF}")
    try:
        shutil.copy2(source, beside)
        _to_disk(beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    return target.stat().st_size
