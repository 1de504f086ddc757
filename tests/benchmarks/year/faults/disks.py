"""Disks that fill at random moments: one line says what to do, nothing is lost, and with room it goes on.

A disk is a small tmpfs over which the year is laid (overlayfs): what is written lands on it. That takes the right
to mount; without it nothing is tried here.
"""

import contextlib
import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.year.faults import older
from tests.benchmarks.year.faults.backups import change, exact
from tests.benchmarks.year.faults.kills import AGED_A_SECOND, FIRST_S, HALF_DAY
from tests.benchmarks.year.faults.trying import Found, Look, done, rewound, serve, turns, twin
from tests.benchmarks.year.faults.whole import Checked, differences, everything

TIMES = 3
SPARE = 100 << 20
LEFT = (0, 40_960, 1 << 20)
"""Bytes by which the disk is not quite full."""
WORDS = ("make room", "is its disk full")


class Disk:
    """A small disk with a folder on it, which is as large as it is told to be."""

    def __init__(self, place: Path, size: int) -> None:
        self._place, self._size, self.folder = place, size, place / "folder"

    def fill(self, leave: int) -> None:
        """Leave so many bytes of room; whoever writes meanwhile may be first, then nothing has changed."""
        found = os.statvfs(self._place)
        self._resize((found.f_blocks - found.f_bfree) * found.f_frsize + leave, check=False)

    def free(self) -> None:
        """Make room."""
        self._resize(self._size, check=True)

    def _resize(self, size: int, *, check: bool) -> None:
        command = ["mount", "-o", f"remount,size={size}", str(self._place)]
        subprocess.run(command, check=check, capture_output=True)


@contextlib.contextmanager
def disk(place: Path, folder: Path, size: int) -> Iterator[Disk | None]:
    """A disk of so many bytes with what is in a folder; None where nobody may mount one."""
    place.mkdir(exist_ok=True)
    with contextlib.ExitStack() as mounts:
        if not _mounted(mounts, "tmpfs", f"size={size}", place):
            yield None
            return
        for name in ("upper", "work", "folder"):
            (place / name).mkdir()
        options = f"lowerdir={folder},upperdir={place / 'upper'},workdir={place / 'work'}"
        if not _mounted(mounts, "overlay", options, place / "folder"):
            yield None
            return
        with (place / "folder" / "server.db").open("r+b"):  # from now on it is on this disk
            yield Disk(place, size)


def _mounted(mounts: contextlib.ExitStack, kind: str, options: str, place: Path) -> bool:
    done = subprocess.run(["mount", "-t", kind, "-o", options, kind, str(place)], capture_output=True, check=False)
    if done.returncode == 0:
        mounts.callback(subprocess.run, ["umount", str(place)], check=True)
    return done.returncode == 0


def _filled(small: Disk, command: list[str], after: float, leave: int, found: Found) -> bool:
    """Start a command, fill the disk meanwhile, and see how it ends; whether it found no room."""
    environment = {**os.environ, "SQLITE_TMPDIR": str(small.folder.parent)}
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL, env=environment
    )
    end = time.monotonic() + after
    while process.poll() is None:
        if time.monotonic() >= end:
            small.fill(leave)
        time.sleep(0.02)
    said = process.stderr.read().splitlines() if process.stderr else []
    process.communicate()
    small.free()
    if process.returncode == 0:
        return False
    if process.returncode < 0 or len(said) != 1 or not any(words in said[0] for words in WORDS):
        found.problems.append(f"full after {after:.2f} s: exit code {process.returncode}, {said[-3:]}")
    return True


def upkeep(place: Path, year: Path, checked: Checked, chance: random.Random) -> Iterator[Found]:
    """Ageing, which goes on where it was; and `compact` in both its ways, each time from the beginning."""
    size = (year / "server.db").stat().st_size
    with disk(place / "disk", year, size + 3 * SPARE) as small:
        if small is None:
            return
        found = Found("a disk that fills during `sashiko serve age`")
        look = Look(small.folder, checked, found, files=True)
        command = serve(small.folder, "age", "--days", HALF_DAY)
        span = size / 300 / AGED_A_SECOND / TIMES
        for _ in turns(found, TIMES):
            _try(small, command, chance, span, found, look)
        took, _said = done(command)
        look.again("in the end")
        look.whole()
        found.note = f"; what was left of it took {took:.1f} s"
        yield found
    for name, prepare in (("a few pages at a time", older.with_free_pages), ("the database anew", older.rigid)):
        before = twin(year, place / "before")
        prepare(before / "server.db")
        size = (before / "server.db").stat().st_size
        found = Found(f"a disk that fills during `sashiko serve compact`, {name}")
        with disk(place / "disk", before, 4 * size + SPARE) as small:
            if small is None:
                return
            took, _said = done(serve(twin(before, place / "killed"), "compact"))
            look = Look(small.folder, checked, found, files=False)
            for _ in turns(found, TIMES):
                rewound(before, small.folder)
                _try(small, serve(small.folder, "compact"), chance, took - FIRST_S, found, look)
            done(serve(small.folder, "compact"))
            look.again("in the end")
            look.whole()
        yield found


def _try(small: Disk, command: list[str], chance: random.Random, span: float, found: Found, look: Look) -> None:
    after, leave = FIRST_S + chance.random() * span, chance.choice(LEFT)
    if _filled(small, command, after, leave, found):
        found.hit += 1
        look.again(f"full after {after:.2f} s, {leave} bytes left")


def migrating(place: Path, year: Path, checked: Checked, chance: random.Random) -> Iterator[Found]:
    """A migration that found room when it looked: the copy does not fit any more, or what is written anew."""
    before = twin(year, place / "before")
    older.taken_back(before / "server.db")
    size, kept = (before / "server.db").stat().st_size, everything(before / "server.db")
    took, _said = done(serve(twin(before, place / "killed"), "user", "list"))
    name = f"a disk that fills during a migration from schema {older.SCHEMA} to {older.LATEST}"
    found = Found(name, slow="the next start took")
    with disk(place / "disk", before, 5 * size + SPARE) as small:
        if small is None:
            return
        command = serve(small.folder, "user", "list")
        for _ in turns(found, TIMES):
            rewound(before, small.folder)
            after = FIRST_S + chance.random() * (took - FIRST_S) * 0.8
            if not _filled(small, command, after, chance.choice(LEFT), found):
                continue
            found.hit += 1
            found.problems += differences(kept, everything(small.folder / "server.db"))
        found.slowest, _said = done(command)
        wrong = differences(everything(place / "killed" / "server.db"), everything(small.folder / "server.db"))
        copies = list(small.folder.glob("before-schema-*/server.db"))
        found.problems += [*wrong, *differences(kept, everything(copies[0]))]
    yield found


def backing_up(place: Path, year: Path, checked: Checked, chance: random.Random) -> Iterator[Found]:
    """An incremental backup onto a disk that fills: the backup from before is as it was."""
    source, target = place / "source", place / "copy"
    change(source, chance)
    size, before = (source / "server.db").stat().st_size, everything(target / "server.db")
    name = "a disk that fills during `sashiko serve backup` into a folder that has one"
    found = Found(name, slow="with room it took")
    with disk(place / "disk", target, 2 * size + 2 * SPARE) as small:
        if small is None:
            return
        command = serve(source, "backup", str(small.folder))
        for _ in turns(found, TIMES):
            after = FIRST_S + chance.random() * 2.0
            found.hit += _filled(small, command, after, chance.choice(LEFT), found)
            now = everything(small.folder / "server.db")
            found.problems += differences(before, now) if now != everything(source / "server.db") else []
            left = [str(path) for path in small.folder.glob("server.db.new*")]
            found.problems += [f"left over: {', '.join(left)}"] if left else []
        found.slowest, _said = done(command)
        found.problems += exact(source, small.folder, checked, chance)
    yield found
