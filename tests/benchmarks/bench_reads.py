"""Reading 5,000 runs of 1,000 rows each back with the real client: time, the server's share of it, its memory."""

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from launch.server.storage import open_store
from launch.server.storage.lines import HISTORY
from tests.benchmarks.servers import ours

RUNS, ROWS, CONFIG_KEYS, SUMMARY_KEYS = 5_000, 1_000, 30, 20
TARGET_S, TARGET_SERVER_S, TARGET_MB = 5.0, 1.5, 300.0
READ = """
import json, time, wandb
api = wandb.Api(timeout=60)
start = time.perf_counter()
found = api.runs("local/bench", per_page=1000, lazy=False)
runs = [(run.name, len(run.config), len(run.summary._json_dict)) for run in found]
print("RESULT " + json.dumps([time.perf_counter() - start, len(runs), min(runs[0][1:])]))
"""


def measure() -> list[dict[str, Any]]:
    """The seconds that `wandb.Api().runs` takes with config and summary, and the server's memory."""
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder)) as (pid, environment):
        before = _cpu_seconds(pid)
        seconds, count = _read(environment)
        server = _cpu_seconds(pid) - before
        peak = _peak_mb(pid)
    if count != RUNS:
        raise RuntimeError(f"{count} runs were read, not {RUNS}")
    return [
        {
            "name": f"wandb.Api().runs over {RUNS:,} runs of {CONFIG_KEYS} config, {SUMMARY_KEYS} summary values",
            "measured": f"{seconds:.1f} s, of which the server's processor time is {server:.2f} s",
            "target": f"< {TARGET_S:.0f} s, the server's share < {TARGET_SERVER_S} s",
            "reached": seconds < TARGET_S and server < TARGET_SERVER_S,
        },
        {
            "name": f"the server's memory with {RUNS:,} runs of {ROWS:,} rows, all runs read",
            "measured": f"{peak:.0f} MB at its peak",
            "target": f"< {TARGET_MB:.0f} MB",
            "reached": peak < TARGET_MB,
        },
    ]


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """A server of a folder that is full; its pid, and the environment that points a client at it."""
    state = folder / "state"
    state.mkdir()
    fill(state)
    with ours(state) as info:
        settings = {"WANDB_BASE_URL": info.url, "WANDB_API_KEY": info.key, "WANDB_ERROR_REPORTING": "false"}
        yield info.pid, {**os.environ, **settings, "WANDB_SILENT": "true"}


def fill(state: Path) -> None:
    """Store the runs and their rows, as `file_stream` would."""
    chance = random.Random(0)
    store = open_store(state / "server.db")
    with store.write() as tables:
        project = tables.projects.make("bench")[0]["id"]
    for index in range(RUNS):
        config = {f"c{key}": {"value": chance.random()} for key in range(CONFIG_KEYS)}
        summary = {f"s{key}": chance.random() for key in range(SUMMARY_KEYS)}
        rows = [f'{{"_step":{step},"loss":{chance.random()},"acc":{chance.random()}}}' for step in range(ROWS)]
        with store.write() as tables:
            columns = {"config": json.dumps(config), "summary": json.dumps(summary), "state": "finished"}
            run = tables.runs.add(project, f"r{index}", display_name=f"run {index}", started=1, **columns)
            tables.lines.put(run, HISTORY, 0, rows)
    store.close()


def _read(environment: dict[str, str]) -> tuple[float, int]:
    done = subprocess.run(
        [sys.executable, "-c", READ], env=environment, text=True, capture_output=True, check=True, timeout=300
    )
    [line] = [text for text in done.stdout.splitlines() if text.startswith("RESULT ")]
    seconds, count, _ = json.loads(line.removeprefix("RESULT "))
    return float(seconds), int(count)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
