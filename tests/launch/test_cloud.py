"""What a day brings, through the command line, against a tracker that does as wandb.ai does (`tests.cloud`)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.tracking import sweeps
from framework.tracking.tracker import Tracker
from tests.lab import LEASE, Lab, add_quick, quick_sweep
from tests.launch.test_workers import database, processes, sweep_path, wait_for_a_busy_worker, worker_process

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent.parent
RATE = "10"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab.make(tmp_path)
    add_quick(lab)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.cloud", str(lab.folder / ".sashiko"), RATE],
        cwd=ROOT, env={**os.environ, "SASHIKO_LEASE_SECONDS": LEASE}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    url, key = server.stdout.readline().split()
    lab.environment |= {"WANDB_BASE_URL": url, "WANDB_API_KEY": key, "WANDB_SILENT": "true"}
    try:
        yield lab
    finally:
        server.terminate()
        server.communicate(timeout=30)


def finished(lab: Lab) -> list[int]:
    """The x of each finished run."""
    rows = database(lab).execute("SELECT config FROM runs WHERE state = 'finished'").fetchall()
    return sorted(json.loads(config)["x"]["value"] for (config,) in rows)


def wait_until(lab: Lab, sql: str) -> None:
    end = time.monotonic() + 60
    while not database(lab).execute(sql).fetchall():
        assert time.monotonic() < end, sql
        time.sleep(0.1)


def test_ctrl_c_while_the_last_points_run_and_the_same_command_again(cloud: Lab):
    file = quick_sweep(cloud, "last", "{x: {values: [0, 1]}}")
    hold = cloud.folder / "hold"
    hold.touch()
    cloud.environment["QUICK_HOLD"] = str(hold)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background has inherited its absence
    command = [sys.executable, "-m", "launch.cli", "sweep", str(file), "--workers", "2"]
    first = subprocess.Popen(
        command, cwd=cloud.folder, env=cloud.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    wait_until(cloud, "SELECT 1 WHERE (SELECT COUNT(*) FROM runs WHERE started = 1) = 2")
    os.killpg(first.pid, signal.SIGINT)
    said, _ = first.communicate(timeout=60)
    assert first.returncode == 128 + signal.SIGINT
    assert "0 runs finished, 2 given back, 0 failed" in said, said
    assert not [pid for pid in processes() if worker_process(pid, cloud)]
    hold.unlink()
    second = cloud.sashiko("sweep", str(file), "--workers", "2")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "2 runs finished, 0 failed" in second.stdout
    assert finished(cloud) == [0, 1]
    assert "nothing to run: 2 of 2" in cloud.sashiko("sweep", str(file)).stdout


def test_what_a_killed_worker_held_is_worked_by_a_successor(cloud: Lab):
    file = quick_sweep(cloud, "killed", "{x: {values: [0, 1, 2, 3]}, seconds: {value: 1.5}}")
    first = cloud.start("launch.cli", "sweep", str(file), "--workers", "2")
    os.kill(wait_for_a_busy_worker(cloud), signal.SIGKILL)
    out, _ = first.communicate(timeout=120)
    wait_until(cloud, "SELECT 1 FROM runs WHERE state = 'crashed'")
    again = cloud.sashiko("sweep", str(file), "--workers", "2")
    assert again.returncode == 1, again.stdout + again.stderr
    assert "1 point open, and the tracker hands out no more" in again.stderr
    assert "sashiko sweep FILE --open" in again.stderr
    assert len(finished(cloud)) == 3
    rest = cloud.sashiko("sweep", str(file), "--open")
    assert rest.returncode == 0, rest.stdout + rest.stderr
    assert f"of what is open in {sweep_path(out)}" in rest.stdout
    assert "1 run finished, 0 failed" in rest.stdout
    assert finished(cloud) == [0, 1, 2, 3]
    for words in (["sweep", str(file)], ["sweep", str(file), "--open"]):
        assert "nothing to run: 4 of 4 runs have ended, 0 of them failed" in cloud.sashiko(*words).stdout
    told = cloud.sashiko("status", str(file))
    assert told.returncode == 0
    assert "4 points: 4 finished" in told.stdout
    assert "with what was open, and is now in" in told.stdout
    table = cloud.folder / "table.csv"
    compared = cloud.sashiko("compare", str(file), "--csv", str(table))
    assert compared.returncode == 0, compared.stderr
    assert "and 1 of what it left open" in compared.stdout
    assert [float(line.split(",")[0]) for line in table.read_text().splitlines()[1:]] == [0, 1, 2, 3]
    assert cloud.sashiko("pull", str(file), "--to", str(cloud.folder / "pulled")).returncode == 0
    assert (cloud.folder / "pulled" / "runs.csv").read_text().count(",finished,") == 4


def test_nobody_is_slowed_to_failure(cloud: Lab):
    """More is asked in a second than the tracker takes: it says so, it is waited for, and nothing is lost."""
    file = quick_sweep(cloud, "many", "{x: {values: [0, 1, 2, 3, 4, 5, 6, 7]}}")
    done = cloud.sashiko("sweep", str(file), "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 runs finished, 0 failed" in done.stdout
    assert finished(cloud) == list(range(8))
    refused = int((cloud.folder / ".sashiko" / "refused").read_text())
    assert refused > 0, "the tracker has refused nothing: the test does not test what it is for"


def test_a_failed_run_is_told_and_not_repeated(cloud: Lab):
    file = quick_sweep(cloud, "moods", "{mood: {values: [well, raises]}, x: {values: [1, 2]}}")
    first = cloud.sashiko("sweep", str(file), "--workers", "2")
    assert (first.returncode, "2 runs finished, 2 failed" in first.stdout) == (1, True), (
        first.stdout + first.stderr
    )
    again = cloud.sashiko("sweep", str(file))
    assert again.returncode == 1
    assert "nothing to run: 4 of 4 runs have ended, 2 of them failed" in again.stdout
    assert "ValueError: x is 1" in cloud.sashiko("status", str(file)).stdout


def test_what_is_open_in_a_cancelled_sweep_is_worked_by_a_successor(cloud: Lab):
    file = quick_sweep(cloud, "cancelled", "{x: {values: [0, 1, 2]}}")
    tracker = Tracker(cloud.environment["WANDB_BASE_URL"], cloud.environment["WANDB_API_KEY"])
    made = sweeps.create(tracker, file.read_text(), "local", "lab")
    sweeps.set_state(tracker, made.key, sweeps.CANCELED)
    refused = cloud.sashiko("sweep", str(file))
    assert refused.returncode == 1
    assert "was cancelled with 3 points open" in refused.stderr
    assert "--open" in refused.stderr
    rest = cloud.sashiko("sweep", str(file), "--open", "--workers", "2")
    assert rest.returncode == 0, rest.stdout + rest.stderr
    assert finished(cloud) == [0, 1, 2]
