"""A thousand agents on one server, the stock client among them; and what becomes of it with three thousand.

On an empty server; where `SASHIKO_YEAR_DIR` keeps a made year (as for the benchmark `year`), on that as well,
while it ages the rows of yesterday.
"""

import asyncio
import contextlib
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from launch.server.instance import ServerInfo
from launch.server.storage import open_store
from tests.benchmarks.agents import Seen, crowd
from tests.benchmarks.bench_year import folder_of, place
from tests.benchmarks.servers import ours
from tests.benchmarks.year.faults.trying import copied

AGENTS, MANY = 1_000, 3_000
SECONDS = float(os.environ.get("SASHIKO_CROWD_S", "90"))
MOST_MS, MOST_BYTES = 250.0, 1e9
STOCK = """
import sys, time
import wandb
start = time.perf_counter()
run = wandb.init(project="stock", id="stock", dir=sys.argv[1])
begun = time.perf_counter() - start
for step in range(200):
    run.log({"loss": 1 / (step + 1)})
    time.sleep(0.05)
run.finish()
print(begun, time.perf_counter() - start)
"""


def measure() -> Iterator[dict[str, Any]]:
    """The 99th percentile of heartbeats, missed leases, memory; the same of more agents than fit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536), most))
    for count in (AGENTS, MANY):
        with tempfile.TemporaryDirectory() as folder:
            yield _crowded(count, Path(folder) / "state", "an empty server")
        if "SASHIKO_YEAR_DIR" in os.environ:
            with place() as here, _ageing_all():
                own = here / "crowd"
                own.mkdir(exist_ok=True)
                state = copied(folder_of(here, "year"), own / "state")
                before = _aged(state)
                found = _crowded(count, state, "the year")
                found["measured"] += f"; {_aged(state) - before:,} rows aged meanwhile"
                shutil.rmtree(own)
                yield found


def _crowded(count: int, state: Path, what: str) -> dict[str, Any]:
    with ours(state) as server, _watched(server) as memory, _stock(server, state.parent) as stock:
        seen = asyncio.run(crowd(server, count, SECONDS, ramp=count / 50))
    return _row(f"{count:,} agents at {what}", count, seen, memory, stock, _ended(state))


@contextlib.contextmanager
def _ageing_all() -> Iterator[None]:
    """Servers that are started here age the rows of all runs that have been silent for half a day."""
    os.environ["SASHIKO_AGE_DAYS"] = "0.5"
    try:
        yield
    finally:
        del os.environ["SASHIKO_AGE_DAYS"]


def _aged(state: Path) -> int:
    with contextlib.closing(sqlite3.connect(state / "server.db")) as db:
        return int(db.execute("SELECT SUM(rows) FROM aged").fetchone()[0])


def _row(
    what: str, count: int, seen: Seen, memory: list[int], stock: list[str], states: dict[str, int]
) -> dict[str, Any]:
    p50, p99, worst = (_part(seen.beats, part) for part in (0.5, 0.99, 1.0))
    lost = sum(number for state, number in states.items() if state != "running")
    right = not seen.wrong and not lost
    return {
        "name": f"{what} for {SECONDS:.0f} s: a heartbeat each 5 s, 15 rows each 15 s",
        "measured": f"heartbeats {p50:.1f} ms, 99 % within {p99:.1f} ms, the slowest {worst:.0f} ms"
        f" (n = {len(seen.beats):,}); rows 99 % within {_part(seen.batches, 0.99):.1f} ms; {lost} leases missed,"
        f" {len(seen.wrong)} refused, {seen.slowed} slowed down; memory {max(memory) / 1e6:.0f} MB; the stock"
        f" client: {stock[0]}",
        "target": f"99 % <= {MOST_MS:g} ms, no lease missed, < {MOST_BYTES / 1e9:g} GB"
        if count == AGENTS
        else "nothing lost",
        "reached": right and (count > AGENTS or (p99 <= MOST_MS and max(memory) < MOST_BYTES)),
        "note": "; ".join(seen.wrong[:3]),
    }


def _part(times: list[float], part: float) -> float:
    return sorted(times)[int(part * (len(times) - 1))]


def _ended(state: Path) -> dict[str, int]:
    """The states of the agents' runs as the server left them."""
    with contextlib.closing(open_store(state / "server.db")) as store, store.read() as tables:
        rows = tables.runs._db.execute(
            "SELECT state, COUNT(*) FROM runs WHERE project_id = (SELECT id FROM projects WHERE name = 'many')"
            " AND sweep_id IS NOT NULL GROUP BY state"
        ).fetchall()
    return {row[0]: row[1] for row in rows}


@contextlib.contextmanager
def _watched(server: ServerInfo) -> Iterator[list[int]]:
    """The bytes that the server and its children hold, looked at once a second."""
    sizes, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(1):
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
                sizes.append(sum(_resident(pid) for pid in (str(server.pid), *children)))

    thread = threading.Thread(target=look)
    thread.start()
    yield sizes
    over.set()
    thread.join()


def _resident(pid: str) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


@contextlib.contextmanager
def _stock(server: ServerInfo, folder: Path) -> Iterator[list[str]]:
    """The real client logs 200 rows while the crowd is at work; how long its start and all of it took."""
    told = ["did not end"]

    def work() -> None:
        time.sleep(10)
        environment = os.environ | {
            "WANDB_BASE_URL": server.url,
            "WANDB_API_KEY": server.key,
            "WANDB_SILENT": "true",
        }
        command = [sys.executable, "-c", STOCK, str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        begun, whole = done.stdout.split()[-2:] if done.returncode == 0 else ("?", "?")
        told[0] = f"started in {begun:.4} s, 200 rows and end in {whole:.4} s, exit code {done.returncode}"

    thread = threading.Thread(target=work)
    thread.start()
    yield told
    thread.join()
    with contextlib.closing(open_store(server.directory / "server.db")) as store, store.read() as tables:
        rows = tables.runs._db.execute(
            "SELECT state, (SELECT COUNT(*) FROM lines WHERE run_id = runs.id AND stream = 'history')"
            " FROM runs WHERE name = 'stock'"
        ).fetchone()
        told[0] += f", stored as {json.dumps(list(rows))}"
