"""`kill -9` at random moments of whatever changes a folder: nothing is lost, and the same command goes on."""

import contextlib
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.year.faults import older
from tests.benchmarks.year.faults.trying import (
    Found,
    Look,
    copied,
    done,
    killed,
    rewound,
    rows_wrong,
    serve,
    turns,
    twin,
)
from tests.benchmarks.year.faults.whole import LOGICAL, Checked, differences, everything

TIMES, OF_TWO = 5, 3
"""How often each command is killed; and where one work is done in two ways, in each of them."""
FIRST_S = 0.3
"""Before that a command has not looked at the folder yet."""
AGED_A_SECOND, BACK_A_SECOND = 25_000, 45_000
PROJECT = "local/project000"
HALF_DAY = "0.5"
"""Days of silence after which the rows of all runs age, those of yesterday's too."""
POLICY = """
[[rule]]
name = "whole runs"
projects = ["*/project001"]
older_than = "1h"

[[rule]]
name = "rows"
projects = ["*/project002"]
older_than = "1h"
delete = "rows"
"""


def ageing(place: Path, year: Path, checked: Checked, chance: random.Random) -> Iterator[Found]:
    """A server that ages, the command, and the way back, one after the other in one folder."""
    folder = copied(year, place / "killed")
    with contextlib.closing(sqlite3.connect(folder / "server.db")) as db:
        rows = db.execute("SELECT COUNT(*) FROM lines").fetchone()[0]
        back = "SELECT SUM(rows) FROM aged JOIN runs ON runs.id = run_id JOIN projects ON projects.id = project_id"
        returning = db.execute(f"{back} WHERE projects.name = ?", (PROJECT.partition("/")[2],)).fetchone()[0]
    span = rows / AGED_A_SECOND / (3 * OF_TWO)
    server = Found("kill -9 of a server that ages")
    look = Look(folder, checked, server, files=True)
    for turn in turns(server, OF_TWO):
        after = 1.0 + chance.random() * span
        server.hit += killed(serve(folder, "--port", "0"), after, SASHIKO_AGE_DAYS=HALF_DAY)
        look.again(f"kill {turn} after {after:.2f} s")
    yield server
    way_back = returning / BACK_A_SECOND / (TIMES - 1)
    for words, most, times in (
        (("age", "--days", HALF_DAY), span, OF_TWO),
        (("age", "--back", "--project", PROJECT), way_back, TIMES),
    ):
        found = look.found = Found(f"kill -9 of `sashiko serve {' '.join(words[:2])}`")
        look.files = times == OF_TWO  # on the way back no file is written
        _going_on(found, look, serve(folder, *words), most, times, chance)
        yield found


def _going_on(
    found: Found, look: Look, command: list[str], span: float, times: int, chance: random.Random
) -> None:
    """Kill a command that goes on where it was, and at last let it end."""
    for turn in turns(found, times):
        after = FIRST_S + chance.random() * span
        hit = killed(command, after)
        found.hit += hit
        look.again(f"kill {turn} after {after:.2f} s")
        if not hit:
            break  # all is done
    took, _ = done(command)
    found.note = f"; what was left of it took {took:.1f} s"
    look.again("in the end")
    look.whole()


def compacting(place: Path, year: Path, checked: Checked, chance: random.Random) -> Iterator[Found]:
    """Free pages that go back a few at a time, and a database of an older version that is written anew."""
    for name, prepare in (("a few pages at a time", older.with_free_pages), ("the database anew", older.rigid)):
        before = twin(year, place / "before")
        prepare(before / "server.db")
        folder = twin(before, place / "killed")
        yield _each_anew(
            f"kill -9 of `sashiko serve compact`, {name}", before, folder, ["compact"], checked, chance
        )


def _each_anew(
    name: str, before: Path, folder: Path, words: list[str], checked: Checked, chance: random.Random
) -> Found:
    """Kill a command that is over in a moment, each time on a folder as it was before."""
    found = Found(name)
    look = Look(folder, checked, found, files=False)
    took, _ = done(serve(folder, *words))
    for turn in turns(found, OF_TWO):
        rewound(before, folder)
        after = FIRST_S + chance.random() * (took - FIRST_S)
        if not killed(serve(folder, *words), after):
            continue
        found.hit += 1
        look.again(f"kill {turn} after {after:.2f} s")
    done(serve(folder, *words))
    look.again("in the end")
    look.whole()
    found.note = f"; undisturbed it takes {took:.1f} s"
    return found


def retaining(place: Path, year: Path, checked: Checked, chance: random.Random) -> Iterator[Found]:
    """A policy: each run goes whole or stays whole, and in the end all is as if nobody had killed it."""
    found = Found("kill -9 of `sashiko serve retain --apply`", slow="looked through in")
    policy = place / "policy.toml"
    policy.write_text(POLICY)
    whole = twin(year, place / "before")
    took, _ = done(serve(whole, "retain", str(policy), "--apply"))
    folder = twin(year, place / "killed")
    lines = _lines(folder)
    with contextlib.closing(sqlite3.connect(folder / "server.db")) as db:
        named = "SELECT runs.id, projects.name FROM runs JOIN projects ON projects.id = project_id"
        going = dict(db.execute(f"{named} WHERE projects.name IN ('project001', 'project002')"))
    for turn in turns(found, TIMES):
        after = FIRST_S + chance.random() * (took - FIRST_S) * 1.5 / TIMES
        if not killed(serve(folder, "retain", str(policy), "--apply"), after):
            break  # all is done
        found.hit += 1
        start = time.perf_counter()
        wrong = _halves(folder, going, lines)
        found.slowest = max(found.slowest, time.perf_counter() - start)
        found.problems += [f"kill {turn} after {after:.2f} s: {problem}" for problem in wrong]
    done(serve(folder, "retain", str(policy), "--apply"))
    when = ("updated_at",)
    wrong = differences(everything(whole / "server.db", when), everything(folder / "server.db", when))
    found.problems += [f"in the end: {problem}" for problem in (*wrong, *checked.problems(folder))]
    found.note = f"; {len(going):,} runs, undisturbed it takes {took:.1f} s"
    yield found


def _lines(folder: Path) -> dict[int, list[tuple[str, int]]]:
    found: dict[int, list[tuple[str, int]]] = {}
    with contextlib.closing(sqlite3.connect(folder / "server.db")) as db:
        for run, stream, number in db.execute(LOGICAL):
            found.setdefault(run, []).append((stream, number))
    return found


def _halves(folder: Path, going: dict[int, str], lines: dict[int, list[tuple[str, int]]]) -> list[str]:
    """Runs of which a part went, and those that are not named and are not as they were."""
    wrong = rows_wrong(folder)
    now = _lines(folder)
    with contextlib.closing(sqlite3.connect(folder / "server.db")) as db:
        here = {row[0] for row in db.execute("SELECT id FROM runs")}
    for run, told in lines.items():
        named, left = going.get(run), now.get(run)
        may = (named == "project001" and run not in here) or (named == "project002" and left is None)
        if left != told and not may:
            wrong.append(f"run {run}: {left} of {told}")
    return wrong


def migrating(place: Path, year: Path, checked: Checked, chance: random.Random) -> Iterator[Found]:
    """A year's database of an older schema that is brought up to date by whoever opens it first."""
    before = twin(year, place / "before")
    older.taken_back(before / "server.db")
    folder = twin(before, place / "killed")
    name = f"kill -9 of a migration from schema {older.SCHEMA} to {older.LATEST}"
    found = Found(name, slow="the next start took")
    command = serve(folder, "user", "list")
    took, _ = done(command)
    whole, kept = everything(folder / "server.db"), everything(before / "server.db")
    for turn in turns(found, TIMES):
        rewound(before, folder)
        after = FIRST_S + chance.random() * (took - FIRST_S)
        if not killed(command, after):
            continue
        found.hit += 1
        again, _ = done(command)
        found.slowest = max(found.slowest, again)
        wrong = differences(whole, everything(folder / "server.db"))
        [copy] = folder.glob("before-schema-*/server.db")
        wrong += differences(kept, everything(copy)) if found.hit == TIMES else []
        found.problems += [f"kill {turn} after {after:.2f} s: {problem}" for problem in wrong]
    found.note = f"; undisturbed it takes {took:.1f} s"
    yield found
