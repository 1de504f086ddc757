"""A lab's year on one server, and the same operations on servers that hold only what is asked for.

`SASHIKO_YEAR` makes a smaller one (0.1: a tenth), `SASHIKO_YEAR_DIR` keeps the folders for the next time.
"""

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from launch.server import upkeep
from tests.benchmarks.year import ageing
from tests.benchmarks.year.make import make
from tests.benchmarks.year.operations import Measured, all_beside, large_beside, side, started
from tests.benchmarks.year.shape import ASKED, LARGE, Shape

TRIES = 5
MOST, START_S, ROW_BYTES = 1.3, 2.0, 25.0
GB = 1e9


def measure() -> Iterator[dict[str, Any]]:
    """Each operation's ratio, then what grows with all that is stored: start, verify, prune, bytes of a row."""
    with place() as here:
        year, asked, large = (folder_of(here, name) for name in ("year", ASKED, LARGE))
        yield _size(year)
        for folder in (asked, year):
            if not folder.with_suffix(".copy").exists():
                upkeep.backup(folder, folder.with_suffix(".copy"))
        with side("year", year) as whole:
            with side("asked", asked) as small:
                yield from map(_row, all_beside(small, whole, TRIES))
            with side("large", large) as alone:
                yield from map(_row, large_beside(alone, whole, TRIES))
        yield from _kept(asked, year)
        shutil.rmtree(here / "ageing", ignore_errors=True)
        (here / "ageing").mkdir()
        yield from ageing.measure(here)


def folder_of(here: Path, name: str) -> Path:
    """A made folder, made now if it is not there: the year, or one that holds a project of it alone."""
    shape = Shape().times(float(os.environ.get("SASHIKO_YEAR", "1")))
    folder = here / name
    if not (folder / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        seconds = make(folder, shape if name == "year" else shape.alone(name))
        (folder / "made").write_text(f"{seconds}\n")
    return folder


@contextlib.contextmanager
def place() -> Iterator[Path]:
    """Where the folders are: where they are kept, or somewhere for the time being."""
    if (kept := os.environ.get("SASHIKO_YEAR_DIR")) is not None:
        Path(kept).mkdir(parents=True, exist_ok=True)
        yield Path(kept)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _row(found: Measured) -> dict[str, Any]:
    return {
        "name": found.name,
        "measured": f"{found.small:.3g} ms alone, {found.year:.3g} ms in a year: {found.ratio:.2f} times"
        f" (medians of {found.tries})",
        "target": f"<= {MOST} times",
        "reached": found.ratio <= MOST,
    }


def _size(year: Path) -> dict[str, Any]:
    with contextlib.closing(sqlite3.connect(year / "server.db")) as db:
        runs, projects, sweeps, users, versions = (
            db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
            for table in ("runs", "projects", "sweeps", "users", "artifacts")
        )
        size, rows = db.execute("SELECT SUM(size), SUM(rows) FROM aged").fetchone()
        lines = db.execute("SELECT COUNT(*) FROM lines").fetchone()[0]
        index = db.execute(
            "SELECT SUM(pgsize) FROM dbstat WHERE name IN ('aged', 'aged_by_blob', 'aged_unswept', 'history_keys')"
        ).fetchone()[0]
    each = (size + index) / rows
    made = float((year / "made").read_text())
    return {
        "name": f"{runs:,} runs in {projects} projects, {rows + lines:,} rows, {sweeps} sweeps, {versions:,}"
        f" versions, {users} users: bytes of an aged row of five metrics, what the database keeps of it included",
        "measured": f"{each:.1f} bytes ({size / rows:.1f} in files); server.db"
        f" {(year / 'server.db').stat().st_size / GB:.2f} GB, files {size / GB:.2f} GB; made in {made:.0f} s",
        "target": f"<= {ROW_BYTES:g} bytes",
        "reached": each <= ROW_BYTES,
    }


def _kept(small: Path, year: Path) -> Iterator[dict[str, Any]]:
    """What looks at all that there is: it is told by how much there is."""
    few, many = started(small, TRIES), started(year, TRIES)
    yield {
        "name": "sashiko serve, from the start of Python until it answers",
        "measured": f"{few:.0f} ms with 1,000 runs, {many:.0f} ms with the year: {many / few:.2f} times",
        "target": f"<= {MOST} times, <= {START_S:g} s",
        "reached": many <= MOST * few and many <= 1e3 * START_S,
    }
    rates = []
    for folder in (small, year):
        start = time.perf_counter()
        report = upkeep.verify(folder)
        seconds = time.perf_counter() - start
        if report.problems:
            raise RuntimeError(f"{folder}: {report.problems[:3]}")
        whole = report.size + (folder / "server.db").stat().st_size
        rates.append((seconds, whole, seconds / whole))
    yield _rate("verify", "GB", rates)
    rates = []
    for folder in (small, year):
        start = time.perf_counter()
        upkeep.prune(folder)
        seconds = time.perf_counter() - start
        files = sum(1 for _ in (folder / "blobs").glob("??/*"))
        rates.append((seconds, files / 1e6 * GB, seconds / files))
    yield _rate("prune", "million files", rates)


def _rate(name: str, unit: str, rates: list[tuple[float, float, float]]) -> dict[str, Any]:
    (few_s, few, few_rate), (many_s, many, many_rate) = rates
    return {
        "name": f"{name}, which looks at everything",
        "measured": f"{few_s:.2f} s for {few / GB:.3g} {unit}, {many_s:.1f} s for {many / GB:.3g} {unit}:"
        f" {many_rate / few_rate:.2f} times as long for each",
        "target": f"<= {MOST} times for each",
        "reached": many_rate <= MOST * few_rate,
    }
