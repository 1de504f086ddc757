"""Copies of a year to do harm to, commands that are killed on them, and what is looked at afterwards."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launch.server.storage import open_store
from tests.benchmarks.year.faults.whole import Checked, Seen, contents, differences, sample, seen

SAMPLE = 20
ORPHAN_S, MOST_S = 0.2, 600.0


@dataclass
class Found:
    """What was found of one kind of fault: how often it was tried, and how often it met the command at work.

    `slowest`: seconds of what `slow` says.
    """

    name: str
    times: int = 0
    hit: int = 0
    slowest: float = 0.0
    slow: str = "opened again within"
    note: str = ""
    problems: list[str] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """A line of the benchmark."""
        told = f"{self.times} times, {self.hit} in the middle of it; {len(self.problems)} things wrong"
        most = f"{self.slowest:.1f} s" if self.slowest >= 1 else f"{1e3 * self.slowest:.0f} ms"
        return {
            "name": self.name,
            "measured": f"{told}; {self.slow} {most} at most{self.note}",
            "target": "nothing wrong, and nothing lost of which nothing is said",
            "reached": not self.problems and bool(self.hit),
            "note": "; ".join(self.problems[:5]),
        }


def turns(found: Found, hits: int) -> Iterator[int]:
    """Try until a command was met in the middle so many times, three times as often at most."""
    while found.hit < hits and found.times < 3 * hits:
        found.times += 1
        yield found.times


def serve(folder: Path, *words: str) -> list[str]:
    """A command of `sashiko serve` for a folder."""
    return [sys.executable, "-m", "launch.cli", "serve", "--dir", str(folder), *words]


def done(command: Sequence[str], code: int = 0, **environment: str) -> tuple[float, str]:
    """Run a command to its end; its seconds, and what it says on standard error.

    Raises:
        RuntimeError: it ends with another exit code.
    """
    start = time.perf_counter()
    ended = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=MOST_S
    )
    if ended.returncode != code:
        raise RuntimeError(f"{' '.join(command)}: exit code {ended.returncode}: {ended.stderr[-1000:]}")
    return time.perf_counter() - start, ended.stderr


def killed(command: Sequence[str], after: float, **environment: str) -> bool:
    """Start a command and kill it after so many seconds; whether it was still at work.

    What it has started itself lives on for a moment, as it would.
    """
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(ORPHAN_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return True
    return False


def copied(source: Path, target: Path) -> Path:
    """A copy of a folder: its database, and links to its files, which nobody writes to."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(mode=0o700)
    shutil.copytree(source / "blobs", target / "blobs", copy_function=os.link)
    return rewound(source, target)


def twin(source: Path, target: Path) -> Path:
    """A copy of a folder's database, beside which its files can be read; nothing may store one."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(mode=0o700)
    (target / "blobs").symlink_to(source.absolute() / "blobs")
    return rewound(source, target)


def rewound(source: Path, target: Path) -> Path:
    """Let a copy have the database of what it is a copy of once more."""
    for path in target.glob("server.db*"):
        path.unlink()
    for path in target.glob("before-schema-*"):
        shutil.rmtree(path)
    shutil.copyfile(source / "server.db", target / "server.db")
    return target


class Look:
    """What a folder has to be found as, whenever it is looked at: it opens, verifies, and tells what it told."""

    def __init__(
        self, folder: Path, checked: Checked, found: Found, *, files: bool, but: Sequence[str] = ()
    ) -> None:
        self.folder, self.found = folder, found
        self._checked, self.files, self._but = checked, files, but
        self._runs = sample(folder, 0, SAMPLE)
        self.before = self._seen(folder)
        self._tables = contents(folder / "server.db")

    def _seen(self, folder: Path) -> Seen:
        return {name: what for name, what in seen(folder, self._runs).items() if name not in self._but}

    def again(self, when: str) -> None:
        """Open the folder and look; what is wrong is noted."""
        start = time.perf_counter()
        open_store(self.folder / "server.db").close()
        self.found.slowest = max(self.found.slowest, time.perf_counter() - start)
        with ProcessPoolExecutor(1) as beside:
            now = beside.submit(seen, self.folder, self._runs)
            wrong = self._checked.problems(self.folder) if self.files else rows_wrong(self.folder)
            wrong += differences(self.before, {k: v for k, v in now.result().items() if k not in self._but})
        self.found.problems += [f"{when}: {problem}" for problem in wrong]

    def whole(self) -> None:
        """At the end of a kind: all rows of the tables that it must not touch."""
        wrong = differences(self._tables, contents(self.folder / "server.db"))
        self.found.problems += [f"in the end: {problem}" for problem in wrong]


def rows_wrong(folder: Path) -> list[str]:
    """What `verify` looks for in the database alone, where no file was touched."""
    with contextlib.closing(sqlite3.connect(folder / "server.db")) as db:
        wrong = [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
        return wrong + [
            f"{row[0]} names what is gone of {row[2]}" for row in db.execute("PRAGMA foreign_key_check")
        ]
