"""Agents that a cluster has started wait for a tracker that is away; a person at a terminal is told at once."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.tracking.tracker import Tracker
from launch import choice
from tests.lab import Lab, add_quick, own_port, quick_sweep

pytestmark = pytest.mark.slow


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab.make(tmp_path)
    add_quick(made)
    try:
        yield made
    finally:
        made.close()


def serve(lab: Lab, port: int) -> "subprocess.Popen[str]":
    server = lab.start("launch.cli", "serve", "--port", str(port))
    end = time.monotonic() + 60
    while lab.sashiko("env").returncode != 0:
        assert time.monotonic() < end, "the server answers"
        time.sleep(0.2)
    return server


def ended(server: "subprocess.Popen[str]") -> None:
    server.send_signal(signal.SIGKILL)
    server.communicate()


def test_agents_of_a_cluster_wait_for_a_tracker_that_is_away(lab: Lab):
    """Longer than a command at a terminal waits: as those of a queue that begin while the login node restarts."""
    port = own_port()
    server = serve(lab, port)
    file = quick_sweep(lab, "patient", "{x: {values: [1, 2]}}")
    told = lab.sashiko("env").stdout
    exports = dict(
        line.removeprefix("export ").split("=", 1) for line in told.splitlines() if line.startswith("export")
    )
    exports = {name: value.strip("'\"") for name, value in exports.items()}
    made = lab.call("wandb", "sweep", str(file), **exports)
    sweep = next(
        word for word in (made.stdout + made.stderr).split() if word.count("/") == 2 and "http" not in word
    )
    ended(server)
    agents = lab.start("launch.cli", "agents", sweep, "--workers", "1", "--idle", "8", **exports)
    time.sleep(25)
    assert agents.poll() is None, agents.communicate()
    again = serve(lab, port)
    said, wrong = agents.communicate(timeout=180)
    assert agents.returncode == 0, said + wrong
    assert "waiting" in said
    assert "2 runs finished, 0 failed" in said
    os.kill(again.pid, signal.SIGTERM)
    again.communicate(timeout=60)


def test_patience_is_that_of_runs():
    assert choice.patient(Tracker("http://127.0.0.1:9", "key")).patience_s == 3600


def test_agents_that_find_nothing_wait_for_the_points_of_those_that_have_died(tmp_path: Path):
    """They leave after so many seconds without work, but not while a lease is running out."""
    lab = Lab.make(tmp_path)
    lab.environment["SASHIKO_LEASE_SECONDS"] = "30"
    add_quick(lab)
    try:
        file = quick_sweep(lab, "orphans", "{x: {values: [1, 2]}}")
        hold = tmp_path / "hold"
        hold.touch()
        first = lab.start("launch.cli", "sweep", str(file), "--workers", "2", QUICK_HOLD=str(hold))
        wait_for_runs(lab, file, 2)
        for pid in [*descendants(first.pid), first.pid]:  # as of a machine that loses its power
            if " serve " not in words(pid):
                os.kill(pid, signal.SIGKILL)
        first.wait(timeout=60)
        hold.unlink()
        time.sleep(13)
        found = json.loads(lab.sashiko("status", str(file), "--json").stdout)
        sweep = str(found["sweep"])
        done = lab.sashiko("agents", sweep, "--workers", "1", "--idle", "2", "--embedded")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "2 runs finished" in done.stdout
    finally:
        for stream in (first.stdout, first.stderr):
            if stream is not None:
                stream.close()
        lab.close()


def wait_for_runs(lab: Lab, file: Path, count: int) -> None:
    end = time.monotonic() + 60
    while True:
        told = lab.sashiko("status", str(file), "--json").stdout
        if told and len([one for one in json.loads(told).get("workers", ()) if one["process"]]) == count:
            return
        assert time.monotonic() < end, told
        time.sleep(0.5)


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [found for child in map(int, children) for found in (child, *descendants(child))]


def words(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
