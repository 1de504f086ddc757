"""Copies that were cut or overwritten at random places: what is lost is said, and all else is as it was."""

import contextlib
import os
import random
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from launch.server import damage
from launch.server.opening import Unusable
from launch.server.storage import open_store
from tests.benchmarks.year.faults.trying import Found, copied, rewound
from tests.benchmarks.year.faults.whole import Checked, Seen, everything, rows_of

PAGE = 4096
CUTS, PLACES, MANY = 4, 6, 3
"""How often a database is cut, and how often overwritten, one page or two hundred; files that are hurt."""
TOLD = re.compile(r"server\.db: (?P<table>\w+): n(?:ot all|othing)")
GO_ON = "to go on: "


def databases(place: Path, year: Path, checked: Checked, chance: random.Random) -> Iterator[Found]:
    """Half of them cut, the others with pages of zeros or noise; files of rows and of artifacts hurt as well."""
    folder = copied(year, place / "killed")
    good = everything(year / "server.db")
    for name, hurt in (("cut", _cut), ("overwritten in places", _overwritten)):
        found = Found(
            f"a database that is {name}, and {MANY} files gone, cut or with other bytes", slow="verify took"
        )
        for _ in range(CUTS if hurt is _cut else PLACES):
            rewound(year, folder)
            told = hurt(folder / "server.db", chance)
            with _files_hurt(year, folder, chance) as files:
                found.problems += [
                    f"{told}: {wrong}" for wrong in _told(folder, year, files, good, checked, found)
                ]
            found.times, found.hit = found.times + 1, found.hit + 1
        yield found


def _cut(path: Path, chance: random.Random) -> str:
    size = path.stat().st_size
    end = int(size * chance.uniform(0.05, 1.0))
    os.truncate(path, end)
    return f"cut to {end:,} of {size:,} bytes"


def _overwritten(path: Path, chance: random.Random) -> str:
    pages = chance.choice((1, 1, 200))
    place = chance.randrange(1, path.stat().st_size // PAGE - pages)
    noise = chance.random() < 0.5
    with path.open("r+b") as file:
        file.seek(place * PAGE)
        file.write(chance.randbytes(pages * PAGE) if noise else bytes(pages * PAGE))
    return f"{pages} pages from {place + 1} on, {'noise' if noise else 'zeros'}"


@contextlib.contextmanager
def _files_hurt(year: Path, folder: Path, chance: random.Random) -> Iterator[list[tuple[str, str]]]:
    """One file gone, one cut, one with other bytes: names, and what they hold. Then they are whole again."""
    with contextlib.closing(sqlite3.connect(year / "server.db")) as db:
        rows = db.execute("SELECT blob, 'run ' || runs.name FROM aged JOIN runs ON runs.id = run_id").fetchall()
        parts = db.execute("SELECT blob, path FROM entries WHERE path = 'own.json'").fetchall()
    chosen = [*chance.sample(rows, MANY - 1), chance.choice(parts)]
    chance.shuffle(chosen)
    for (name, _), how in zip(chosen, ("gone", "cut", "other"), strict=True):
        path = folder / "blobs" / name[:2] / name
        body = path.read_bytes()
        path.unlink()  # it is a link to the year's own file
        if how == "cut":
            path.write_bytes(body[: chance.randrange(len(body))])
        elif how == "other":
            place = chance.randrange(len(body))
            path.write_bytes(body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :])
    yield chosen
    for name, _ in chosen:
        path = folder / "blobs" / name[:2] / name
        path.unlink(missing_ok=True)
        os.link(year / "blobs" / name[:2] / name, path)


def _told(
    folder: Path, year: Path, files: Sequence[tuple[str, str]], good: Seen, checked: Checked, found: Found
) -> list[str]:
    """What `verify` does not say, or says wrongly, of a folder that was hurt."""
    start = time.perf_counter()
    try:
        said = checked.problems(folder)
    except Unusable as error:  # not even the list of tables is there
        return [] if "restore the folder from a backup" in str(error) else [str(error)]
    found.slowest = max(found.slowest, time.perf_counter() - start)
    wrong = [] if any(line.startswith(GO_ON) for line in said) else ["it does not say how to go on"]
    lost_tables = {match["table"] for line in said if (match := TOLD.match(line))}
    if any("the list of tables" in line for line in said):
        return wrong
    wrong += _rows(folder, year, lost_tables, good)
    unknown = {"aged", "entries", "artifacts", "runs", "collections"} & lost_tables
    for name, what in files:
        if not any(name in line and what in line for line in said) and not unknown:
            wrong.append(f"{what}: that {name} is hurt is not said")
    with contextlib.suppress(Unusable, sqlite3.DatabaseError):
        open_store(folder / "server.db").close()
    return wrong


def _rows(folder: Path, year: Path, lost_tables: set[str], good: Seen) -> list[str]:
    """Tables that are not as they were: those of which nothing is said to be lost, and the rest of the others."""
    wrong = []
    with (
        damage.opened(folder / "server.db") as hurt,
        contextlib.closing(sqlite3.connect(year / "server.db")) as db,
    ):
        losses = list(damage.losses(hurt))
        if {loss.table for loss in losses} != lost_tables:
            wrong.append(f"it names {sorted(lost_tables)}, and lost are {sorted({loss.table for loss in losses})}")
        for table in (name.removeprefix("table ") for name in good):
            if table not in lost_tables:
                wrong += [f"{table}: other rows"] if rows_of(hurt, table) != good[f"table {table}"] else []
                continue
            spans = _outside([loss for loss in losses if loss.table == table])
            key = damage.key_of(db, table)
            sql = f'SELECT * FROM "{table}" NOT INDEXED WHERE "{key}" BETWEEN ? AND ?'
            for span in spans:
                pairs = zip(hurt.execute(sql, span), db.execute(sql, span), strict=True)
                try:
                    if any(ours != theirs for ours, theirs in pairs):
                        wrong.append(f"{table}: other values between {span[0]} and {span[1]}")
                except ValueError:
                    wrong.append(f"{table}: rows are missing between {span[0]} and {span[1]}, and nobody says so")
    return wrong


def _outside(lost: Sequence[damage.Loss]) -> list[tuple[int, int]]:
    spans, start = [], -damage.LAST_KEY
    for loss in lost:
        spans.append((start, loss.first - 1))
        start = loss.last + 1
    return [span for span in (*spans, (start, damage.LAST_KEY)) if span[0] <= span[1]]
