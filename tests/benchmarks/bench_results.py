"""Results in bulk: 5,000 runs to one frame against the client run by run; 5,000 stitching runs compared."""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from framework.importance import importance
from tests.benchmarks import many_runs
from tests.benchmarks.servers import ours

ROOT = Path(__file__).parent.parent.parent
RUNS, ROWS, MORE, SAMPLED = 5_000, 200, 10, 40
SWEEP = "bigsweep"
FRAME = """
import json, sys, time
from framework.tracking import results
start = time.perf_counter()
frame = results.history("local/bench")
print("RESULT " + json.dumps([time.perf_counter() - start, len(frame)]))
"""
SCAN = """
import json, sys, time, wandb, pandas
api = wandb.Api(timeout=60)
start = time.perf_counter()
runs = api.runs("local/bench")[: int(sys.argv[1])]
frames = [pandas.DataFrame(run.scan_history(use_cache=False)) for run in runs]
print("RESULT " + json.dumps([time.perf_counter() - start, sum(map(len, frames))]))
"""


def measure() -> list[dict[str, Any]]:
    """The seconds of each, and the ratio to the client's way, projected from its first runs."""
    return [*_histories(), *_tables(), _importance()]


def _histories() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        state.mkdir()
        many_runs.add_plain(state, 0, RUNS, ROWS)
        with _served(state, Path(folder)) as environment:
            client, rows = _result(environment, SCAN, str(SAMPLED))
            client *= RUNS / SAMPLED
            first, count = _result(environment, FRAME)
        many_runs.add_plain(state, RUNS, MORE, ROWS)
        with _served(state, Path(folder)) as environment:
            second, more = _result(environment, FRAME)
    if (rows, count, more) != (SAMPLED * ROWS, RUNS * ROWS, (RUNS + MORE) * ROWS):
        raise RuntimeError(f"{rows}, {count} and {more} rows were read")
    return [
        {
            "name": f"{RUNS:,} runs x {ROWS} rows to one frame, against wandb.Api() with scan_history run by run",
            "measured": f"{first:.2f} s, {client / first:.0f} times faster ({client:.0f} s, from {SAMPLED} runs)",
            "target": ">= 50 times, <= 2 s",
            "reached": client >= 50 * first and first <= 2,
        },
        {
            "name": f"the same again after {MORE} new runs",
            "measured": f"{second:.2f} s",
            "target": "< 1 s",
            "reached": second < 1,
        },
    ]


def _tables() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        lab, many = Path(folder) / "lab", Path(folder) / "many"
        lab.mkdir()
        file = ROOT / "sweeps" / "stitching.yaml"
        environment = _environment(Path(folder))
        _sashiko(environment, lab, "run", "stitching", "--sweep", str(file), "--index", "0", "--embedded")
        _sashiko(environment, lab, "serve", "--stop")
        many_runs.copies(lab / ".sashiko", many, RUNS, SWEEP, file.read_text())
        with ours(many):
            words = ("compare", f"local/sashiko/{SWEEP}", "--embedded", "--dir", str(many))
            cold, *warm = (_sashiko(environment, lab, *words) for _ in range(4))
    return [
        {
            "name": f"sashiko compare of {RUNS:,} stitching runs (tables of a real run), nothing fetched yet",
            "measured": f"{cold:.1f} s",
            "target": "<= 30 s",
            "reached": cold <= 30,
        },
        {
            "name": "the same again",
            "measured": f"{min(warm):.1f} s (best of {len(warm)})",
            "target": "<= 3 s",
            "reached": min(warm) <= 3,
        },
    ]


def _importance() -> dict[str, Any]:
    points = list(itertools.product(range(5), range(5), range(5), range(2), range(2), range(10)))
    factors = {f"f{index}": [point[index] for point in points] for index in range(5)}
    values = np.random.default_rng(0).normal(size=len(points)).tolist()
    importance("grid", factors, values)
    start = time.perf_counter()
    importance("grid", factors, values)
    taken = 1e3 * (time.perf_counter() - start)
    return {
        "name": f"variance shares of 5 factors and their 10 pairs over {len(points):,} runs",
        "measured": f"{taken:.0f} ms",
        "target": "<= 50 ms",
        "reached": taken <= 50,
    }


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    return kept | {"SASHIKO_CACHE": str(folder / "cache"), "HOME": str(folder), "PYTHONPATH": str(ROOT)}


@contextlib.contextmanager
def _served(state: Path, folder: Path) -> Iterator[dict[str, str]]:
    with ours(state) as info:
        settings = {"WANDB_BASE_URL": info.url, "WANDB_API_KEY": info.key, "WANDB_ERROR_REPORTING": "false"}
        yield _environment(folder) | settings | {"WANDB_SILENT": "true"}


def _result(environment: dict[str, str], code: str, *words: str) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True, check=True
    )
    line = next(text for text in done.stdout.splitlines() if text.startswith("RESULT "))
    found: list[Any] = json.loads(line.removeprefix("RESULT "))
    return found


def _sashiko(environment: dict[str, str], folder: Path, *words: str) -> float:
    """The seconds of a command."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "launch.cli", *words], env=environment, cwd=folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"sashiko {' '.join(words)}: {done.stderr}")
    return time.perf_counter() - start
