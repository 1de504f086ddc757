"""Ageing: the lines of runs that have been silent for long move from the database into column files, and back.

A piece of work is short, so that whoever writes waits for no more than it: lines are read, encoded, checked and
stored as a file (`made`, in a process of its own), and then one row says that from now on the file counts
(`aged`). What the table still holds of them is swept a slice at a time. Whatever moment the process dies at, the
lines are in the table, or in the file, or in both. A run that goes on gets its lines back. This module knows no
HTTP.
"""

import contextlib
import math
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from launch.server.blobs import Blobs
from launch.server.errors import DiskFull, RowsLost
from launch.server.limits import BUSY_SECONDS, MAX_UPLOAD
from launch.server.storage import Store, Tables, lines
from launch.server.storage.aged import Part, read_lines
from launch.server.storage.runs import ALIVE
from launch.server.threads import elsewhere

STREAMS = (lines.HISTORY, lines.EVENTS, lines.CONSOLE)
FEWEST, MOST = 128, 32_768
"""Lines of a stream from which on a file takes less room than a table, and lines of one file."""
SLICE = 2_000
"""Lines that one transaction sweeps away, or lays out again."""
SLICES = 20
"""Such transactions, of some hundred pages each, after which the log is folded in."""
HELD_SECONDS = 60.0
"""After so long without a slice whoever lays lines out is taken for dead."""
LOOKED_AT = 200
"""Runs that one look goes through in search of one whose lines can age."""
SPARE_PAGES, PAGES = 4_096, 500
"""Free pages of the database that stay for what comes, and pages that are given back at once."""


class Made(NamedTuple):
    """A stored file of lines, how many characters they were, and where media are in them."""

    part: Part
    characters: int
    media: list[tuple[str, int, int]]


class Due(NamedTuple):
    """Lines that can age: of a stream of a run from a number on; `guard` is another one once they changed."""

    run_id: int
    stream: str
    start: int
    guard: tuple[object, ...]


@dataclass
class Told:
    """What was done: of which runs lines aged or came back, how many, and their characters and bytes."""

    runs: set[int] = field(default_factory=set)
    rows: int = 0
    characters: int = 0
    files: int = 0


class Ageing:
    """The work of ageing in one folder.

    Args:
        store: the database.
        blobs: the files.
        now: the time.
        after: seconds of silence after which the lines of a run age; None: never.
        only: the project whose runs are looked at; None: all.
    """

    def __init__(
        self,
        store: Store[Tables],
        blobs: Blobs,
        now: Callable[[], float],
        after: float | None,
        only: int | None = None,
    ) -> None:
        self._store, self._blobs, self._now, self._after, self._only = store, blobs, now, after, only
        self._place = self._slices = 0
        self._coming_back: tuple[int, Iterator[None]] | None = None
        self._failed: set[int] = set()

    def step(self) -> bool:
        """Do the next piece of work; whether there may be more.

        Raises:
            DiskFull: a file could not be stored; nothing is lost.
        """
        if self._coming_back is None and self.sweep():
            return True
        if self._coming_back is None and (alive := self._alive()):
            self._coming_back = alive[0], self.bring_back(alive[0])
        if self._coming_back is not None:
            (run_id, slices), self._coming_back = self._coming_back, None
            self._failed.add(run_id)  # until the next slice is done: who cannot be read keeps nobody else waiting
            ended = next(slices, self) is self
            self._failed.discard(run_id)
            self._coming_back = None if ended else (run_id, slices)
            return True
        if self._after is None:
            return False
        return self.age_next(self._after) or self.give_back()

    def age_next(self, after: float, told: Told | None = None) -> bool:
        """Age the next file of lines of a run that has been silent for so many seconds; whether to go on."""
        with self._store.read() as tables:
            looked = tables.aged.with_lines(self._place, LOOKED_AT)
            before = self._now() - after
            due = next(filter(None, (_due(tables, run_id, before, self._only) for run_id in looked)), None)
        if due is None:
            self._place = looked[-1] if looked else 0
            return bool(looked)
        self._place = due.run_id - 1
        try:
            self._age(due, told or Told())
        except ValueError:
            self._place = due.run_id  # it stays as it is; the next ones shall not wait for it
            raise
        return True

    def _age(self, due: Due, told: Told) -> None:
        run_id, stream = due.run_id, due.stream
        new = elsewhere(made, self._store.path, self._blobs.folder, run_id, stream, due.start)
        with self._store.write() as tables:
            if _guard(tables, run_id, stream) != due.guard or not self._blobs.renew(new.part.blob):
                return  # the run went on, or was deleted, meanwhile; the file is pruned one day
            tables.aged.add(run_id, stream, new.part)
            if stream == lines.HISTORY:
                tables.curves.are_aged(run_id, new.media)
        told.runs.add(run_id)
        told.rows += new.part.rows
        told.characters += new.characters
        told.files += new.part.size

    def sweep(self) -> bool:
        """Delete a slice of what is in files and in the table; whether there was any."""
        before = self._now() - HELD_SECONDS
        with self._store.read() as tables:
            left, dead = tables.aged.unswept(), tables.aged.is_held(before)
        if dead:
            with self._store.write() as tables:
                tables.aged.release(before)
        if left is None:
            return False
        run_id, stream = left
        self._sweep(run_id, stream)
        return True

    def _sweep(self, run_id: int, stream: str) -> bool:
        """Delete a slice of what is in files and in the table; whether nothing of it is left."""
        self._fold_in()
        with self._store.write() as tables:
            done = tables.aged.sweep(run_id, stream, SLICE)
            if done and stream == lines.HISTORY:
                done = tables.curves.sweep(run_id, SLICE)
            if done:
                tables.aged.is_swept(run_id, stream)
        return done

    def empty(self, run_id: int) -> None:
        """Age all lines of a run that is to go, so that few are left to go with it; it is whole at each moment.

        What cannot be aged (lines that no file holds exactly, a full disk) stays in the table.
        """
        with contextlib.suppress(ValueError, DiskFull):
            while (due := self._due_of(run_id)) is not None:
                self._age(due, Told())
        for stream in STREAMS:
            with self._store.read() as tables:
                parts = tables.aged.parts(run_id, stream)
            for _ in range(sum(part.rows for part in parts) // SLICE + 2):  # more, if they are held: they stay
                if not parts or self._sweep(run_id, stream):
                    break

    def _due_of(self, run_id: int) -> Due | None:
        with self._store.read() as tables:
            return _due(tables, run_id, math.inf, None)

    def bring_back(self, run_id: int, told: Told | None = None) -> Iterator[None]:
        """Lay the lines of a run out in the table again, a slice at each step of the iterator.

        Raises:
            RowsLost: a file is not there, or does not hold what its name says.
        """
        told = told or Told()
        for stream in STREAMS:
            with self._store.read() as tables:
                parts = tables.aged.parts(run_id, stream)
            if not parts:
                continue
            for part in parts:
                if not self._blobs.is_whole(part.blob):
                    raise RowsLost(part.first, part.last, part.blob)
            place: int | None = parts[0].first
            held: int | None = None
            while place is not None:
                self._fold_in()
                with self._store.write() as tables:
                    held = tables.aged.hold(run_id, stream, held, self._now())
                    if held is None or tables.aged.parts(run_id, stream) != parts:
                        return  # cleared, aged anew, or brought back by somebody else
                    place = tables.lines.lay_out(run_id, stream, place, SLICE)
                    if place is None:
                        tables.lines.is_back(run_id, stream)
                yield
            told.runs.add(run_id)
            told.rows += sum(part.rows for part in parts)
            told.files += sum(part.size for part in parts)

    def give_back(self) -> bool:
        """Give a few free pages of the database back to the disk; whether there may be more to give."""
        self._fold_in()
        return self._store.shrink(PAGES, SPARE_PAGES)

    def _fold_in(self) -> None:
        """Fold the log in now and then, in a thread in which nobody waits for it: else somebody's commit does."""
        self._slices += 1
        if self._slices % SLICES == 0:
            self._store.checkpoint()

    def with_files(self) -> list[int]:
        """The runs that have lines in files."""
        with self._store.read() as tables:
            return tables.aged.runs(self._only)

    def _alive(self) -> list[int]:
        with self._store.read() as tables:
            return [run_id for run_id in tables.aged.alive() if run_id not in self._failed]


def _due(tables: Tables, run_id: int, before: float, only: int | None) -> Due | None:
    """Lines of a run that can age, if it has been silent since that time."""
    run = tables.runs.by_id(run_id)
    if run is None or run["heartbeat_at"] >= before or run["state"] in ALIVE:
        return None
    if only not in (None, run["project_id"]):
        return None
    for stream in STREAMS:
        start = tables.aged.last(run_id, stream) + 1
        if tables.aged.count_from(run_id, stream, start, FEWEST) == FEWEST:
            return Due(run_id, stream, start, _guard(tables, run_id, stream))
    return None


def _guard(tables: Tables, run_id: int, stream: str) -> tuple[object, ...]:
    """What is another one once lines of a stream were written, overwritten, cut off, aged or deleted."""
    run: sqlite3.Row | None = tables.runs.by_id(run_id)
    if run is None:
        return ()
    told = (run["heartbeat_at"], run["state"], run["row_bytes"])
    return (*told, tables.lines.count(run_id, stream), tables.aged.last(run_id, stream))


def made(database: Path, folder: Path, run_id: int, stream: str, start: int) -> Made:
    """Store the next lines of a stream as a column file, which was read again and compared.

    Raises:
        ValueError: what is read is not what was written.
        DiskFull: there is no room.
    """
    from launch.server.columnar import columns, files

    with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", timeout=BUSY_SECONDS, uri=True)) as db:
        rows = read_lines(db, run_id, stream, start, MOST)
    told = columns.of_lines(rows, json_rows=stream != lines.CONSOLE)
    body = files.written(told)
    if not columns.same(files.of_bytes(body), told):
        raise ValueError(f"the lines of run {run_id} do not come out of a column file as they went in")
    with Blobs(folder, tidy=False).incoming(MAX_UPLOAD) as incoming:
        incoming.write(body)
        blob = incoming.keep()
    steps = [row.step for row in rows if row.step is not None]
    low, high = (min(steps), max(steps)) if steps else (None, None)
    part = Part(rows[0].line, rows[-1].line, len(rows), low, high, blob.size, blob.name)
    media = columns.media_of(told) if stream == lines.HISTORY else []
    return Made(part, sum(len(row.text) for row in rows), media)
