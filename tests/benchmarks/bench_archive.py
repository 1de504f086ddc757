"""An archive of 1,000 runs × 200 rows × 5 metrics out of a server, beside `tar` and `zstd` of the same files.

Both write the same members at the same level. Ours reads them from the server's database over HTTP, takes a digest
of each, and compresses while it reads; `tar | zstd` finds them as files on the disk, in the system's cache, and
takes no digests. Each is timed in the middle of five, one after the other in the same run.
"""

import contextlib
import io
import json
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from framework.tracking.tracker import Tracker
from launch.archive.archiving import archive, must_be_whole
from launch.archive.layout import LEVEL
from launch.archive.target import Chosen
from launch.server.storage import open_store
from launch.server.storage.lines import HISTORY
from tests.benchmarks.servers import ours

RUNS, ROWS, METRICS = 1_000, 200, 5
TIMES = 5
TARGET = 0.8


def measure() -> list[dict[str, Any]]:
    """The speed of an archive as a share of that of `tar | zstd`."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "state").mkdir()
        fill(folder / "state", RUNS)
        with ours(folder / "state") as info:
            tracker = Tracker(info.url, info.key)
            file = folder / "a.tar.zst"
            (folder / "members").mkdir()
            _archive(tracker, file)
            subprocess.run(["tar", "--zstd", "-xf", file], cwd=folder / "members", check=True)
            size = must_be_whole(file).told["bytes"]
            mine, theirs = _medians(lambda: _archive(tracker, file), lambda: _tar(folder))
            ratio = theirs / mine
            packed = file.stat().st_size
        plain = (folder / "b.tar.zst").stat().st_size
        shutil.rmtree(folder / "members")
    return [
        {
            "name": f"archive of {RUNS:,} runs × {ROWS} rows × {METRICS} metrics ({size / 1e6:.0f} MB unpacked)",
            "measured": f"{mine:.2f} s ({packed / 1e6:.1f} MB); tar | zstd -{LEVEL}: {theirs:.2f} s "
            f"({plain / 1e6:.1f} MB); {ratio:.2f} of its speed",
            "target": f">= {TARGET} of the speed of tar | zstd",
            "reached": ratio >= TARGET,
            "note": "ours also reads the database, sends the rows over HTTP and takes digests; on two cores the "
            "server and the compression share what zstd has to itself",
        },
    ]


def fill(state: Path, runs: int) -> None:
    """Store the runs and their rows, as `file_stream` would."""
    chance = random.Random(0)
    store = open_store(state / "server.db")
    with store.write() as tables:
        project = tables.projects.make("bench")[0]["id"]
    for index in range(runs):
        config = {f"c{key}": {"value": chance.random()} for key in range(5)}
        rows = [
            json.dumps(
                {"_step": step, "_runtime": step / 2, **{f"m{key}": chance.random() for key in range(METRICS)}},
                separators=(",", ":"),
            )
            for step in range(ROWS)
        ]
        with store.write() as tables:
            columns = {"config": json.dumps(config), "summary": rows[-1], "state": "finished"}
            run = tables.runs.add(project, f"r{index}", display_name=f"run {index}", started=1, **columns)
            tables.lines.put(run, HISTORY, 0, rows)
    store.close()


def _archive(tracker: Tracker, file: Path) -> None:
    archive(tracker, Chosen("local", "bench"), file, Console(file=io.StringIO()), force=True)


def _tar(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        (folder / "b.tar.zst").unlink()
    command = f"tar -C members -cf - . | zstd -q -{LEVEL} -T1 -o b.tar.zst"
    subprocess.run(["bash", "-c", command], cwd=folder, check=True)


def _medians(*works: Callable[[], None]) -> list[float]:
    """The seconds of each, taken in turns."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(TIMES):
        for work, taken in zip(works, seconds, strict=True):
            start = time.perf_counter()
            work()
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in seconds]
