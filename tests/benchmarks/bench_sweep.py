"""A sweep of 100 runs that log three numbers, two workers: `sashiko agents` against two stock `wandb agent`s.

Both work the same definition, with the same experiment, on the same embedded server, one after the other. The
time is the wall clock from the start of the command to its end, interpreter and imports included.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.lab import Lab, add_quick, quick_sweep

RUNS = 100
REPEATS = 3
TARGET = 45.0
ALONE, STOCK_RUNS = 0.12, 10
"""Seconds that a run of one worker may take which does nothing but log three numbers."""


def measure() -> list[dict[str, Any]]:
    """Seconds a run of both, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab.make(Path(folder))
        add_quick(lab)
        server = lab.start("launch.cli", "serve", "--port", "0")
        try:
            while not (lab.folder / ".sashiko" / "server.json").exists():
                time.sleep(0.1)
            lab.environment |= dict(re.findall(r"export (\w+)=(\S+)", lab.sashiko("env").stdout))
            lab.environment["WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL"] = "1"
            file = quick_sweep(lab, "bench", f"{{x: {{values: {list(range(RUNS))}}}}}")
            times = sorted(_ours(lab, _sweep(lab, file)) for _ in range(REPEATS))
            ours = times[REPEATS // 2]
            alone = sorted(_ours(lab, _sweep(lab, file), workers=1) for _ in range(REPEATS))[REPEATS // 2]
            ten = quick_sweep(lab, "ten", f"{{x: {{values: {list(range(STOCK_RUNS))}}}}}")
            stock_alone = _stock(lab, _sweep(lab, ten), agents=1)
            stock = _stock(lab, _sweep(lab, file))
        finally:
            server.terminate()
            server.communicate(timeout=30)
    return [
        {
            "name": f"a sweep of {RUNS} runs that log three numbers, two workers, wall time a run",
            "measured": f"sashiko {ours / RUNS:.3f} s, stock wandb agent {stock / RUNS:.2f} s: "
            f"{stock / ours:.1f} times faster",
            "note": f"ours is the median of {REPEATS}: {', '.join(f'{t / RUNS:.3f}' for t in times)} s a run",
            "target": f"≥ {TARGET:.0f} times",
            "reached": stock / ours >= TARGET,
        },
        {
            "name": "the same with one worker: overhead of a run that does nothing",
            "measured": f"sashiko {alone / RUNS:.3f} s, stock wandb agent {stock_alone / STOCK_RUNS:.2f} s "
            f"(of {STOCK_RUNS} runs)",
            "target": f"≤ {ALONE} s",
            "reached": alone / RUNS <= ALONE,
        },
    ]


def _sweep(lab: Lab, file: Path) -> str:
    made = subprocess.run(
        [str(Path(sys.executable).parent / "wandb"), "sweep", str(file)], cwd=lab.folder, env=lab.environment,
        text=True, capture_output=True, check=True,
    )  # fmt: skip
    found = re.search(r"wandb agent (\S+)", made.stderr + made.stdout)
    if found is None:
        raise RuntimeError(made.stderr)
    return found[1]


def _ours(lab: Lab, path: str, workers: int = 2) -> float:
    start = time.perf_counter()
    done = lab.sashiko("agents", path, "--workers", str(workers))
    seconds = time.perf_counter() - start
    if f"{RUNS} runs finished" not in done.stdout:
        raise RuntimeError(done.stdout + done.stderr)
    return seconds


def _stock(lab: Lab, path: str, agents: int = 2) -> float:
    start = time.perf_counter()
    started = [
        subprocess.Popen(
            [str(Path(sys.executable).parent / "wandb"), "agent", path], cwd=lab.folder, env=lab.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for _ in range(agents)
    ]  # fmt: skip
    codes = [agent.wait() for agent in started]
    if any(codes):
        raise RuntimeError(f"the stock agents ended with {codes}")
    return time.perf_counter() - start
