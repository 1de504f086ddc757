"""The page of a run of a million rows of 20 keys: its HTML, its curves, one curve from close by, its stream."""

import http.client
import json
import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from launch.server.storage import open_store
from launch.server.storage.lines import EVENTS, HISTORY
from tests.benchmarks.servers import ours

ROWS, KEYS, BATCH, EVENT_ROWS, TRIES = 1_000_000, 20, 10_000, 20_000, 7
TARGET_MS = 300.0
RUN = "/local/bench/runs/long"


def measure() -> list[dict[str, Any]]:
    """Milliseconds from request to whole reply, the median of several, of each thing that the page asks for."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        state.mkdir()
        seconds = fill(state)
        size = (state / "server.db").stat().st_size
        keys = "&".join(f"key=k{key}" for key in range(KEYS))
        asked = {
            "the page": RUN,
            f"{KEYS} curves": f"/view{RUN}/curves?points=400&{keys}",
            f"{KEYS} curves of a tenth": f"/view{RUN}/curves?points=400&from=400000&to=500000&{keys}",
            "one curve of 5,000 steps": f"/view{RUN}/curves?points=800&from=400000&to=405000&key=k3",
            "system metrics": f"/view{RUN}/system",
            "lineage": f"/view{RUN}/lineage",
        }
        with ours(state) as info:
            times = {name: _timed(info.port, path) for name, path in asked.items()}
            tick = _first_event(info.port, f"/view{RUN}/live?row={ROWS - 10}")
    shown = ", ".join(f"{name} {milliseconds:.0f} ms" for name, milliseconds in times.items())
    worst = max(times.values())
    return [
        {
            "name": f"the page of a run of {ROWS:,} rows × {KEYS} keys, on the server",
            "measured": f"{shown}; an event of 10 rows {tick:,} bytes",
            "target": f"each < {TARGET_MS:.0f} ms",
            "reached": worst < TARGET_MS,
            "note": f"stored in {seconds:.0f} s; the database has {size / 1e6:,.0f} MB",
        }
    ]


def fill(state: Path) -> float:
    """Store the rows, as `file_stream` would; the seconds of storing alone."""
    store = open_store(state / "server.db")
    with store.write() as tables:
        project = tables.projects.make("bench")[0]["id"]
        run = tables.runs.add(project, "long", display_name="long", started=1, state="finished")
    seconds = 0.0
    for first in range(0, ROWS, BATCH):
        rows = [_row(step) for step in range(first, first + BATCH)]
        start = time.perf_counter()
        with store.write() as tables:
            tables.lines.put(run, HISTORY, first, rows)
        seconds += time.perf_counter() - start
    events = [json.dumps({"system.cpu": n % 100, "_runtime": 15 * n}) for n in range(EVENT_ROWS)]
    with store.write() as tables:
        tables.lines.put(run, EVENTS, 0, events)
    store.close()
    return seconds


def _row(step: int) -> str:
    wave = math.sin(step / 1e4)
    values = ",".join(f'"k{key}":{wave * key + step % 17:.5f}' for key in range(KEYS))
    return f'{{"_step":{step},"_runtime":{step / 10},{values}}}'


def _timed(port: int, path: str) -> float:
    times: Sequence[float] = [_once(port, path) for _ in range(TRIES)]
    return statistics.median(times)


def _once(port: int, path: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    start = time.perf_counter()
    connection.request("GET", path)
    reply = connection.getresponse()
    text = reply.read()
    milliseconds = 1e3 * (time.perf_counter() - start)
    connection.close()
    if reply.status != 200 or b'"building"' in text[:20]:
        raise RuntimeError(f"{path}: {reply.status} {text[:300]!r}")
    return milliseconds


def _first_event(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    line = connection.getresponse().readline()
    connection.close()
    return len(line)
