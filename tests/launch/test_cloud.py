"""What a day brings, through the command line, against a tracker that does as wandb.ai does (`tests.cloud`)."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.tracking import sweeps
from framework.tracking.tracker import Tracker
from tests.cloud import serving
from tests.lab import Lab, add_quick, quick_sweep
from tests.launch.test_workers import database, processes, sweep_path, wait_for_a_busy_worker, worker_process
from tests.launch.trained import add_trained, trained_sweep

pytestmark = pytest.mark.slow


@pytest.fixture
def cloud(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Lab]:
    lab = Lab.make(tmp_path)
    add_quick(lab)
    with serving(lab, **getattr(request, "param", {})):
        yield lab


def finished(lab: Lab) -> list[int]:
    """The x of each finished run."""
    rows = database(lab).execute("SELECT config FROM runs WHERE state = 'finished'").fetchall()
    return sorted(json.loads(config)["x"]["value"] for (config,) in rows)


def wait_until(lab: Lab, sql: str) -> None:
    end = time.monotonic() + 60
    while not database(lab).execute(sql).fetchall():
        assert time.monotonic() < end, sql
        time.sleep(0.1)


def in_a_group(lab: Lab, *words: str) -> "subprocess.Popen[str]":
    """A command whose processes can be sent Ctrl-C all together."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background has inherited its absence
    return subprocess.Popen(
        [sys.executable, "-m", "launch.cli", *words], cwd=lab.folder, env=lab.environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def test_ctrl_c_while_the_last_points_run_and_the_same_command_again(cloud: Lab):
    file = quick_sweep(cloud, "last", "{x: {values: [0, 1]}}")
    hold = cloud.folder / "hold"
    hold.touch()
    cloud.environment["QUICK_HOLD"] = str(hold)
    first = in_a_group(cloud, "sweep", str(file), "--workers", "2")
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
    first = cloud.start("launch.cli", "sweep", str(file), "--workers", "1")
    # Its parent, with which it dies: a worker alone would be replaced, and its run given back.
    stat = Path(f"/proc/{wait_for_a_busy_worker(cloud)}/stat").read_text()
    os.kill(int(stat.rsplit(")", 1)[1].split()[1]), signal.SIGKILL)
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


def states(lab: Lab) -> list[str]:
    """The mood and the state of each run."""
    rows = database(lab).execute("SELECT config, state FROM runs").fetchall()
    return sorted(f"{json.loads(config)['mood']['value']} {state}" for config, state in rows)


def test_points_once_more_are_worked_in_a_successor(cloud: Lab):
    """A failure is final where no run can be added to a sweep; `rerun` works points that failed or are done."""
    file = quick_sweep(cloud, "again", "{mood: {values: [well, flaky]}}")
    first = cloud.sashiko("sweep", str(file))
    path = sweep_path(first.stdout)
    assert (first.returncode, states(cloud)) == (1, ["flaky failed", "well finished"]), "tried once"
    assert f"once more: sashiko rerun {path} --failed" in first.stderr
    done = cloud.sashiko("rerun", path, "--failed")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"this tracker adds no runs to {path}" in done.stdout
    assert states(cloud) == ["flaky failed", "flaky finished", "well finished"]
    told = cloud.sashiko("status", str(file)).stdout
    assert "2 points: 2 finished" in told, told
    successor = re.findall(r"once more in sweep (\S+):", done.stdout)[0]
    more = cloud.sashiko("rerun", successor, "--points", "0-1")
    assert more.returncode == 0, more.stdout + more.stderr
    assert f"this tracker adds no runs to {path}" in more.stdout, "a part of a sweep stands for the whole"
    assert "2 runs finished, 0 failed" in more.stdout
    assert len(states(cloud)) == 5
    assert "nothing to run: 2 of 2 runs have ended, 0 of them failed" in cloud.sashiko("sweep", str(file)).stdout


@pytest.mark.parametrize(
    "cloud", [{}, {"SASHIKO_CLOUD_MUTE": "1"}], indirect=True, ids=["refuses", "says nothing"]
)
def test_a_sweep_whose_file_has_changed_goes_on_in_a_successor_with_what_was_open(cloud: Lab):
    path = made(cloud, quick_sweep(cloud, "grown", "{x: {values: [0, 1]}}"))
    file = quick_sweep(cloud, "grown", "{x: {values: [0, 1, 2]}}")
    done = cloud.sashiko("sweep", str(file), "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"of what is new and open beside {path} (1 new, 2 unchanged, 0 gone)" in done.stdout
    assert finished(cloud) == [0, 1, 2]
    assert "3 points: 3 finished" in cloud.sashiko("status", str(file)).stdout
    agents = cloud.sashiko("agents", path)
    assert (agents.returncode, f"what is open in {path} is worked in " in agents.stdout) == (0, True)
    assert "nothing to run: 3 of 3" in agents.stdout


def test_what_is_withdrawn_is_not_worked_and_a_run_and_all_parts_are_cancelled(cloud: Lab):
    path = made(cloud, quick_sweep(cloud, "fewer", "{x: {values: [0, 1, 2]}}"))
    file = quick_sweep(cloud, "fewer", "{x: {values: [2, 3, 4]}}")
    hold = cloud.folder / "hold"
    hold.touch()
    cloud.environment["QUICK_HOLD"] = str(hold)
    worked = cloud.start("launch.cli", "sweep", str(file), "--replan")
    try:
        wait_until(cloud, "SELECT 1 FROM runs WHERE started = 1")
        told = cloud.sashiko("status", str(file))
        assert "3 points: 1 running, 2 waiting" in told.stdout, told.stdout + told.stderr
        ((run,),) = database(cloud).execute("SELECT name FROM runs WHERE started = 1").fetchall()
        stopped = cloud.sashiko("cancel", f"lab/{run}")
        assert f"asked run local/lab/{run}" in stopped.stdout, stopped.stderr
        wait_until(cloud, "SELECT 1 WHERE (SELECT COUNT(*) FROM runs WHERE started = 1) = 2")
        done = cloud.sashiko("cancel", path, PATH=str(Path(sys.executable).parent))  # a machine without Slurm
        assert done.returncode == 0, done.stderr
        assert len(re.findall("^cancelled local/lab/", done.stdout, re.MULTILINE)) == 1, done.stdout
    finally:
        hold.unlink()
        worked.communicate(timeout=60)
    found = [json.loads(config)["x"]["value"] for (config,) in database(cloud).execute("SELECT config FROM runs")]
    assert not set(found) & {0, 1}, "withdrawn"
    assert cloud.sashiko("efficiency", str(file)).returncode == 0


def test_what_is_withdrawn_leaves_a_sweep_that_is_done(cloud: Lab):
    path = made(cloud, quick_sweep(cloud, "less", "{x: {values: [0, 1, 2]}}"))
    file = quick_sweep(cloud, "less", "{x: {values: [2]}}")
    done = cloud.sashiko("sweep", str(file), "--replan")
    assert done.returncode == 0, done.stdout + done.stderr
    assert finished(cloud) == [2]
    assert "1 point: 1 finished" in cloud.sashiko("status", path).stdout
    assert "nothing to run: 1 of 1" in cloud.sashiko("sweep", str(file)).stdout


def made(lab: Lab, file: Path) -> str:
    """The path of a sweep that nobody works yet."""
    tracker = Tracker(lab.environment["WANDB_BASE_URL"], lab.environment["WANDB_API_KEY"])
    return str(sweeps.create(tracker, file.read_text(), "local", "lab").path)


def test_training_goes_on_from_what_was_kept(cloud: Lab):
    add_trained(cloud)
    hold = cloud.folder / "hold"
    hold.touch()
    cloud.environment |= {"TRAINED_HOLD": str(hold), "SASHIKO_CHECKPOINT_S": "0.5"}
    file = trained_sweep(cloud, "kept", "[0]", seconds=0.0)
    first = in_a_group(cloud, "sweep", str(file))
    step = cloud.folder / "seed-0.step"
    end = time.monotonic() + 90
    while not step.exists() or step.read_text() != "14":
        assert time.monotonic() < end, "it comes to its third epoch"
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGINT)
    said, _ = first.communicate(timeout=60)
    assert "1 given back" in said, said
    hold.unlink()
    second = cloud.sashiko("sweep", str(file))
    assert second.returncode == 0, second.stdout + second.stderr
    ((run, state),) = database(cloud).execute("SELECT name, state FROM runs").fetchall()
    assert state == "finished", "the same run has gone on"
    told = cloud.sashiko("logs", f"lab/{run}").stdout
    assert re.search(rf"going on with checkpoint-\S+, kept by run {run}", told), told


def test_what_only_the_embedded_server_does_is_said_in_words(cloud: Lab):
    path = made(cloud, quick_sweep(cloud, "stays", "{x: {values: [0]}}"))
    done = cloud.sashiko("delete", path)
    assert done.returncode == 3
    assert "only Sashiko's own server deletes a sweep" in done.stderr
    assert f"to end it: sashiko cancel {path}" in done.stderr
    assert "Traceback" not in done.stderr
