"""Sweeps on a cluster of three nodes and on one machine whose workers are killed: what is lost beside the trials.

The trials sleep, so that the two cores of a laptop can stand for twelve processors: what is measured is everything
else. A cluster is started for it (`tests.slurm.cluster`); where Slurm is not installed, that part is left out.
"""

import os
import random
import re
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.lab import Lab, add_quick, quick_sweep
from tests.slurm import cluster as slurm
from tests.slurm.cluster import Cluster

POINTS, JOBS, WORKERS, TRIAL_S, TARGET = 1_000, 3, 12, 4.0, 0.92
SUBMITTED, MOST_CALLS, MOST_S = 5_000, 10, 10.0
KILLED_POINTS, KILLED_WORKERS, KILLED_TRIAL_S, EVERY_S, LONGER = 200, 8, 2.0, 5.0, 1.10
PROFILE = "time_minutes = 60\nmemory_gb = 1.5\ncpus = 1\nwarning_seconds = 10\n"
NODE = PROFILE.replace("1.5", "6").replace("cpus = 1", f"cpus = {WORKERS // JOBS}\nworkers = {WORKERS // JOBS}")


def measure() -> list[dict[str, Any]]:
    """Efficiency on the cluster, how fast agents are submitted, and what kills cost."""
    rows = []
    if slurm.missing():
        print(f"    Slurm is not installed ({', '.join(slurm.missing())}): its rows are left out")
    else:
        with slurm.running() as cluster, tempfile.TemporaryDirectory() as folder:
            lab = _lab(Path(folder))
            lab.environment |= cluster.environment | {"PATH": f"{folder}/bin:{lab.environment['PATH']}:/usr/sbin"}
            try:
                rows = [_efficiency(lab, cluster), _submission(lab, cluster)]
            finally:
                lab.close()
    with tempfile.TemporaryDirectory() as folder:
        lab = _lab(Path(folder))
        try:
            return [*rows, _kills(lab)]
        finally:
            lab.close()


def _lab(folder: Path) -> Lab:
    lab = Lab.make(folder)
    add_quick(lab)
    return lab


def _efficiency(lab: Lab, cluster: Cluster) -> dict[str, Any]:
    (lab.folder / "own.toml").write_text(PROFILE)
    (lab.folder / "node.toml").write_text(NODE)
    file = quick_sweep(lab, "many", f"{{x: {{values: {list(range(POINTS))}}}, seconds: {{value: {TRIAL_S}}}}}")
    start = time.perf_counter()
    done = lab.sashiko(
        "sweep", str(file), "--embedded", "--slurm", "node.toml", "-n", str(JOBS), "--wait", timeout_s=3_600.0
    )
    seconds = time.perf_counter() - start
    if f"{POINTS} runs finished, 0 failed" not in done.stdout and f"{POINTS} of {POINTS}" not in done.stdout:
        raise RuntimeError(done.stdout + done.stderr)
    reached = POINTS * TRIAL_S / WORKERS / seconds
    return {
        "name": f"{POINTS:,} points of {TRIAL_S:g} s on the test cluster of three nodes, {WORKERS} workers in "
        f"{JOBS} jobs, from the command to its end",
        "measured": f"{seconds:.0f} s: {100 * reached:.1f} % of the time is trial time",
        "target": f"≥ {100 * TARGET:.0f} %",
        "reached": reached >= TARGET,
    }


def _submission(lab: Lab, cluster: Cluster) -> dict[str, Any]:
    """Agents of a sweep whose one point is long, submitted at once; each call of sbatch is counted."""
    real = os.popen("command -v sbatch").read().strip() or "/usr/bin/sbatch"
    counter = lab.folder / "bin" / "sbatch"
    counter.parent.mkdir(exist_ok=True)
    counter.write_text(f'#!/bin/sh\necho call >> {lab.folder}/calls\nexec {real} "$@"\n')
    counter.chmod(0o755)
    file = quick_sweep(lab, "one", "{x: {values: [1]}, seconds: {value: 100}}")
    start = time.perf_counter()
    done = lab.sashiko("sweep", str(file), "--embedded", "--slurm", "own.toml", "-n", str(SUBMITTED))
    seconds = time.perf_counter() - start
    calls = len((lab.folder / "calls").read_text().split())
    cluster.run("scancel", "--name", "sashiko-" + re.findall(r"local/lab/(\w+)", done.stdout)[0])
    return {
        "name": f"{SUBMITTED:,} agents submitted by one command",
        "measured": f"{seconds:.1f} s, {calls} calls of sbatch",
        "target": f"≤ {MOST_S:g} s, ≤ {MOST_CALLS} calls",
        "reached": seconds <= MOST_S and calls <= MOST_CALLS and done.returncode == 0,
    }


def _kills(lab: Lab) -> dict[str, Any]:
    """The same sweep in peace, and with one worker of eight killed every five seconds."""
    calm_s, _ = _worked(lab, "calm", kill=False)
    rough_s, kills = _worked(lab, "rough", kill=True)
    return {
        "name": f"{KILLED_POINTS} points of {KILLED_TRIAL_S:g} s, {KILLED_WORKERS} workers, one killed (-9) every "
        f"{EVERY_S:g} s: each point once",
        "measured": f"{calm_s:.1f} s in peace, {rough_s:.1f} s with {kills} kills: {rough_s / calm_s:.3f} times",
        "target": f"≤ {LONGER} times",
        "reached": rough_s <= LONGER * calm_s,
    }


def _worked(lab: Lab, name: str, *, kill: bool) -> tuple[float, int]:
    """The seconds that the sweep took, and how many workers were killed."""
    points = f"{{x: {{values: {list(range(KILLED_POINTS))}}}, seconds: {{value: {KILLED_TRIAL_S}}}}}"
    start, draw, kills = time.perf_counter(), random.Random(5), 0
    command = lab.start(
        "launch.cli", "sweep", str(quick_sweep(lab, name, points)), "--new", "--workers", str(KILLED_WORKERS)
    )
    due = time.monotonic() + EVERY_S
    while command.poll() is None:
        if kill and time.monotonic() > due:
            due += EVERY_S
            workers = [pid for crew in _children(command.pid) for pid in _children(crew)]
            if len(workers) >= KILLED_WORKERS:
                os.kill(draw.choice(workers), signal.SIGKILL)
                kills += 1
        time.sleep(0.05)
    seconds = time.perf_counter() - start
    said, errors = command.communicate()
    if command.returncode:
        raise RuntimeError(said + errors)
    from tests.launch.test_workers import rows, sweep_path

    ended = Counter(run["config"]["x"] for run in rows(lab, sweep_path(said)) if run["state"] == "finished")  # type: ignore[index]
    if ended != Counter(range(KILLED_POINTS)):
        raise RuntimeError(f"not each point once: {ended}")
    return seconds, kills


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
