"""Who writes while a server ages rows of old runs, gives pages back and is backed up: how long does it wait?"""

import contextlib
import json
import os
import random
import sqlite3
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from launch.server import upkeep
from launch.server.storage import open_store
from launch.server.storage.lines import HISTORY
from tests.benchmarks.servers import Line, ours
from tests.benchmarks.year.operations import UPSERT

RUNS, ROWS = 300, 3_000
MOST_MS, EACH_S = 100.0, 0.02


def fill(folder: Path, runs: int) -> None:
    """Old runs whose rows are in the database."""
    chance = random.Random(0)
    with contextlib.closing(open_store(folder / "server.db")) as store:
        for index in range(runs):
            rows = [
                json.dumps(
                    {"_step": step, "_runtime": step / 8, **{f"m{key}": chance.random() for key in range(5)}}
                )
                for step in range(ROWS)
            ]
            with store.write() as tables:
                project = tables.projects.make("old", 1)[0]["id"]
                run = tables.runs.add(project, f"r{index}", display_name="r", state="finished", heartbeat_at=0.0)
                tables.usage.add_rows(run, tables.lines.put(run, HISTORY, 0, rows))


def measure(place: Path, runs: int = RUNS) -> Iterator[dict[str, Any]]:
    """The longest wait of somebody who sends ten rows each 20 ms, while nothing and while everything goes on."""
    folder = place / "ageing"
    fill(folder, runs)
    quiet = _waits(folder, "never")
    busy = _waits(folder, "0.001")
    with contextlib.closing(sqlite3.connect(folder / "server.db")) as db:
        rows = db.execute("SELECT SUM(rows) FROM aged").fetchone()[0]
    longest, usual = max(busy.waits), statistics.median(busy.waits)
    yield {
        "name": f"the longest wait of a writer while {rows:,} rows age, pages are given back and a backup is made",
        "measured": f"{longest:.0f} ms (median {usual:.1f} ms, n = {len(busy.waits):,}; without it"
        f" {max(quiet.waits):.0f} and {statistics.median(quiet.waits):.1f} ms);"
        f" {rows / busy.seconds:,.0f} rows a second aged in the background",
        "target": f"<= {MOST_MS:g} ms",
        "reached": longest <= MOST_MS,
    }


class _Watch:
    """What a writer saw: milliseconds of each batch, and how long there was something to do."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.seconds = 0.0


def _waits(folder: Path, days: str) -> _Watch:
    watch, over = _Watch(), threading.Event()
    os.environ["SASHIKO_AGE_DAYS"] = days
    try:
        with ours(folder) as info:
            line, name = Line(info), f"live-{days}"
            line.ask(UPSERT, name=name, project="live")

            def write() -> None:
                offset = 0
                while not over.wait(EACH_S):
                    content = [json.dumps({"_step": offset + step, "loss": step / 7}) for step in range(10)]
                    files = {"wandb-history.jsonl": {"offset": offset, "content": content}}
                    start = time.perf_counter()
                    line.post(f"/files/local/live/{name}/file_stream", {"files": files})
                    watch.waits.append(1e3 * (time.perf_counter() - start))
                    offset += 10

            thread = threading.Thread(target=write)
            thread.start()
            start = time.perf_counter()
            if days == "never":
                time.sleep(15)
            else:
                _until_aged(folder)
            watch.seconds = time.perf_counter() - start
            if days != "never":
                upkeep.backup(folder, folder.with_suffix(".copy"))
                time.sleep(3)
            over.set()
            thread.join()
    finally:
        del os.environ["SASHIKO_AGE_DAYS"]
    return watch


def _until_aged(folder: Path, most: float = 300.0) -> None:
    """Wait until the table holds no line of the old runs, or for so long."""
    end = time.monotonic() + most
    with contextlib.closing(sqlite3.connect(f"file:{folder / 'server.db'}?mode=ro", uri=True)) as db:
        while time.monotonic() < end:
            sql = "SELECT 1 FROM lines JOIN runs ON runs.id = run_id WHERE heartbeat_at = 0.0 LIMIT 1"
            if db.execute(sql).fetchone() is None:
                return
            time.sleep(0.5)
