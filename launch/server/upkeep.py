"""Looking after a served folder, whether or not its server runs: back it up, verify it, prune it.

A backup is itself a folder that can be served. Files are named by their content and never change, so those that a
backup already holds are not copied again, and a snapshot of the database taken first names only files that are
already there. This module does not know HTTP.
"""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from framework.errors import SashikoError
from launch.server import copies, damage, opening
from launch.server.copies import Copy
from launch.server.instance import KEY_FILE, SECRET_FILE
from launch.server.limits import AHEAD_SECONDS
from launch.server.storage import Tables, must_be_current, must_not_be_newer, open_store

DATABASE, BLOBS, EXPORTS = "server.db", "blobs", "exports"
CHUNK = 1 << 20
SHA256_DIGITS = 64
YOUNG_SECONDS = 24 * 3600.0
"""Files that no row names are left alone for so long: their upload may have only just begun to be used."""
REFERENCES = (
    "SELECT blob, run_files.size AS size, 'file ' || run_files.name || ' of run ' || runs.name AS what"
    " FROM run_files JOIN runs ON runs.id = run_files.run_id"
    " UNION ALL SELECT blob, entries.size, entries.path || ' of ' || collections.name || ':v' || version_index"
    " FROM entries JOIN artifacts ON artifacts.id = entries.artifact_id"
    " JOIN collections ON collections.id = artifacts.collection_id"
    " WHERE blob IS NOT NULL AND artifacts.state = 'COMMITTED'"
    " UNION ALL SELECT manifest_blob, NULL, 'the manifest of ' || collections.name || ':v' || version_index"
    " FROM artifacts JOIN collections ON collections.id = artifacts.collection_id"
    " WHERE manifest_blob IS NOT NULL AND artifacts.state = 'COMMITTED'"
    " UNION ALL SELECT blob, aged.size, stream || ' lines ' || first || ' to ' || last || ' of run ' || runs.name"
    " FROM aged JOIN runs ON runs.id = aged.run_id"
)
"""Every blob that a row names: its name, its size where it is known, and what it is."""
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
    """What `verify` found: how much is there, what is wrong with it, and which copies from before upgrades."""

    files: int = 0
    size: int = 0
    unused: int = 0
    problems: list[str] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)


def backup(directory: Path, destination: Path) -> tuple[int, int]:
    """Copy a served folder, also while it is served; how many files were copied, and their bytes.

    Raises:
        NothingServed: `directory` holds no database.
        OSError: the destination cannot be written.
    """
    with _database(directory) as source:
        destination.mkdir(parents=True, exist_ok=True)
        destination.chmod(0o700)
        fresh = destination / f"{DATABASE}.new"
        fresh.unlink(missing_ok=True)
        with opening.room_told(fresh), contextlib.closing(sqlite3.connect(fresh)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            named = _named(copy)
    here = _sizes(destination)
    lacking = sorted(name for name, size in named.items() if name not in here or size not in (None, here[name]))
    with ThreadPoolExecutor(AT_WORK) as threads:  # each waits for the disk, which takes many as fast as one
        sizes = list(threads.map(lambda digest: _copy_blob(directory, destination, digest), lacking))
    for name in (KEY_FILE, SECRET_FILE):
        if (directory / name).exists():
            _copy(directory / name, destination / name)
    for leftover in ("-wal", "-shm"):
        (destination / f"{DATABASE}{leftover}").unlink(missing_ok=True)
    fresh.replace(destination / DATABASE)
    return len(sizes), sum(sizes)


def verify(directory: Path) -> Report:
    """Read every file and every row: each digest, each size, the database's own structure.

    That all was right is noted in the folder, if it has `copies`: they wait for it.

    Raises:
        NothingServed: `directory` holds no database.
    """
    begun, report, named = time.time(), Report(), []
    try:
        if not damage.missing_bytes(_found(directory)):
            named = _rows_verified(directory, report)
    except sqlite3.DatabaseError as error:
        if not damage.is_damage(error):
            raise
        report.problems.append(f"{DATABASE}: {error}")
    if report.problems or not named:
        report.problems += _lost(_found(directory))
    sizes = {}
    for path in _files(directory):
        sizes[path.name] = path.stat().st_size
        report.files, report.size = report.files + 1, report.size + sizes[path.name]
        if _digest(path) != path.name:
            report.problems.append(f"{path}: its content has another digest than its name says")
    for digest, size, what in named:
        if digest not in sizes:
            report.problems.append(f"{what}: its content ({digest}) is missing")
        elif size is not None and sizes[digest] != size:
            report.problems.append(f"{what}: {sizes[digest]} bytes, {size} were noted")
    report.unused = len(sizes.keys() - {digest for digest, _, _ in named})
    if not report.problems and copies.listed(directory):
        copies.note_verified(directory, begun)
    report.copies = copies.listed(directory)
    return report


def _rows_verified(directory: Path, report: Report) -> list[tuple[str, int | None, str]]:
    """Look at the database's structure, and what its rows refer to; every blob that it names."""
    with _database(directory) as db:
        for (line,) in db.execute("PRAGMA integrity_check"):
            if line != "ok":
                report.problems.append(f"{DATABASE}: {line}")
        for table, row, parent, _ in db.execute("PRAGMA foreign_key_check"):
            report.problems.append(f"{DATABASE}: row {row} of {table} names a row of {parent} that is gone")
        return db.execute(REFERENCES).fetchall()


def _lost(path: Path) -> list[str]:
    """What cannot be read of a database, and what to do about it; nothing where all can."""
    missing = damage.missing_bytes(path)
    with damage.opened(path) as db:
        lost = [f"{DATABASE}: {loss}" for loss in damage.losses(db)]
    compact = f"`sashiko serve --dir {path.parent} compact`, which writes it anew; no row is lost"
    to_do = f"{opening.FROM_BACKUP}; what came after the backup is lost" if lost else compact
    if missing:
        have = path.stat().st_size
        lost.insert(0, f"{DATABASE} is cut off: {have:,} of {have + missing:,} bytes are there")
    if lost:
        lost.append(f"to go on: stop its server, and {to_do}")
    return lost


def prune(directory: Path, older_than: float = YOUNG_SECONDS) -> tuple[int, int]:
    """Delete the files that nothing names any more; how many, and their bytes.

    Each that no row names is looked at once more and deleted within one transaction. Whoever names a blob does so
    in a transaction too, and makes it young in it (`Blobs.renew`): it comes before, and the file stays, or after,
    and finds that it is gone.

    Raises:
        NothingServed: `directory` holds no database.
    """
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
    return _copy(directory / BLOBS / digest[:2] / digest, destination / BLOBS / digest[:2] / digest)


def _copy(source: Path, target: Path) -> int:
    """Copy a file, whole or not at all; its size."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.{os.getpid()}.new")
    shutil.copy2(source, beside)
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(target)
    return target.stat().st_size
