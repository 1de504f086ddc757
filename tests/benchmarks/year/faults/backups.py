"""Backups that are killed, and one that goes on from the one before it: it is the folder, to the last byte."""

import contextlib
import json
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from launch.server import upkeep
from launch.server.blobs import Blobs
from launch.server.storage import Tables, open_store
from launch.server.storage.lines import CONSOLE, HISTORY
from tests.benchmarks.year.faults.trying import Found, copied, done, killed, serve, turns
from tests.benchmarks.year.faults.whole import Checked, differences, everything

TIMES = 5
FIRST_S, FILES_A_SECOND = 0.3, 2_200
READ, MORE, ROWS, CHANGED, GONE = 300, 1_000, 150, 50, 200
"""Files that are compared byte by byte; runs that come, their rows; runs that are changed, and that go."""
LATER = "later"


def fresh(place: Path, year: Path, checked: Checked, chance: random.Random) -> Iterator[Found]:
    """The first backup of a year, killed again and again: each time it goes on with the files that it has."""
    found = Found("kill -9 of `sashiko serve backup` into a new folder", slow="the rest of it took")
    source, target = copied(year, place / "source"), place / "copy"
    files = sum(1 for _ in (source / "blobs").glob("??/*"))
    command = serve(source, "backup", str(target))
    for turn in turns(found, TIMES):
        after = FIRST_S + chance.random() * files / FILES_A_SECOND / (1.5 * TIMES)
        found.hit += killed(command, after)
        if (target / "server.db").exists():
            found.problems.append(f"kill {turn} after {after:.2f} s: it is called whole before it is")
    found.slowest, _ = done(command)
    found.problems += exact(source, target, checked, chance)
    found.note = f"; {files:,} files"
    yield found


def existing(place: Path, year: Path, checked: Checked, chance: random.Random) -> Iterator[Found]:
    """Into a folder with a backup, after all kinds of changes: until the end it is the old one."""
    found = Found("kill -9 of `sashiko serve backup` into a folder that has one", slow="the whole of it took")
    source, target = place / "source", place / "copy"
    before = everything(target / "server.db")
    change(source, chance)
    after_all = everything(source / "server.db")
    command = serve(source, "backup", str(target))
    for turn in turns(found, TIMES):
        after = FIRST_S + chance.random() * 3.0
        found.hit += killed(command, after)
        now = everything(target / "server.db")
        if now not in (before, after_all):
            found.problems.append(f"kill {turn} after {after:.2f} s: {differences(before, now)[:3]}")
    found.slowest, _ = done(command)
    found.problems += exact(source, target, checked, chance)
    yield found


def restored(place: Path, year: Path, checked: Checked, chance: random.Random) -> Iterator[Found]:
    """A second and a third backup after changes, served in place of what they are of."""
    found = Found(
        f"a folder that is lost and restored from an incremental backup: {MORE:,} runs more, {CHANGED} changed,"
        f" {GONE} deleted, aged",
        slow="the backup took",
    )
    source, target = place / "source", place / "copy"
    for turn in range(2):
        change(source, chance)
        took, _ = done(serve(source, "backup", str(target)))
        found.problems += [f"backup {turn}: {problem}" for problem in exact(source, target, checked, chance)]
        found.slowest = max(found.slowest, took)
        found.times, found.hit = found.times + 1, found.hit + 1
    start = time.perf_counter()
    done(serve(target, "user", "list"))
    found.problems += checked.problems(target)
    found.note = (
        f"; the backup opened as a server's folder and read through in {time.perf_counter() - start:.1f} s"
    )
    yield found


def change(folder: Path, chance: random.Random) -> None:
    """What becomes of a folder in some weeks: runs come with rows and files, go on, age, and are deleted."""
    with contextlib.closing(open_store(folder / "server.db")) as store:
        blobs = Blobs(folder / "blobs", tidy=False)
        with store.read() as tables:
            some = [row[0] for row in tables.runs._db.execute("SELECT DISTINCT run_id FROM aged")]
        for _ in range(0, MORE, 100):
            with store.write() as tables:
                _come(tables, blobs, 100, chance)
        for run in chance.sample(some, min(CHANGED, len(some))):
            with store.write() as tables:
                _row(tables, run, chance)
        for run in chance.sample(some, min(GONE, len(some) // 4)):
            with store.write() as tables:
                tables.runs.delete(run)
    done(serve(folder, "age", "--project", f"local/{LATER}"))
    upkeep.prune(folder, older_than=-1.0)


def _come(tables: Tables, blobs: Blobs, count: int, chance: random.Random) -> None:
    project = tables.projects.make(LATER)[0]["id"]
    for _ in range(count):
        name = f"{chance.getrandbits(64):016x}"
        config = json.dumps({"seed": {"value": chance.random()}})
        run = tables.runs.add(
            project,
            name,
            display_name=name,
            state="finished",
            heartbeat_at=time.time() - 30 * 86_400,
            config=config,
        )
        rows = [json.dumps({"_step": step, "loss": chance.random()}) for step in range(ROWS)]
        tables.usage.add_rows(run, tables.lines.put(run, HISTORY, 0, rows))
        tables.lines.put(run, CONSOLE, 0, [f"{chance.random()}\n" for _ in range(20)])
        if chance.random() < 0.2:
            with blobs.incoming(10**6) as incoming:
                incoming.write(chance.randbytes(5_000))
                kept = incoming.keep()
            tables.files.put(run, "notes.bin", blob=kept.name, md5=kept.md5, size=kept.size)


def _row(tables: Tables, run: int, chance: random.Random) -> None:
    """A run that goes on: another row in the middle of its history, and one after it."""
    count = tables.lines.count(run, HISTORY)
    tables.lines.put(run, HISTORY, count // 2, [json.dumps({"_step": count // 2, "train/loss": chance.random()})])
    tables.lines.put(run, HISTORY, count, [json.dumps({"_step": count, "train/loss": chance.random()})])


def exact(source: Path, target: Path, checked: Checked, chance: random.Random) -> list[str]:
    """What a backup does not have as its folder has it: rows, names and sizes of files, and bytes of some."""
    wrong = differences(everything(source / "server.db"), everything(target / "server.db"))
    with contextlib.closing(sqlite3.connect(target / "server.db")) as db:
        named = sorted(upkeep._named(db))
    have, want = upkeep._sizes(target), upkeep._sizes(source)
    wrong += [
        f"{name}: {have.get(name)} of {want.get(name)} bytes" for name in named if have.get(name) != want.get(name)
    ]
    for name in chance.sample(named, min(READ, len(named))):
        if (source / "blobs" / name[:2] / name).read_bytes() != (target / "blobs" / name[:2] / name).read_bytes():
            wrong.append(f"{name}: other bytes")
    return [*wrong, *checked.problems(target)]
