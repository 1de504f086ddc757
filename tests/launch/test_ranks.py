"""Ranks on this machine: what they are told, how they end, and what a run says of one that failed."""

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch import child, ranks
from launch.ranks import Others
from launch.team import Team
from tests.lab import Lab
from tests.launch.trained import asked

MANAGER = """
import os, time
from pathlib import Path
from framework.config import Config
from framework.manager import Manager


class ToldConfig(Config):
    mood: str = "well"


class Told(Manager[ToldConfig]):
    config = ToldConfig
    ranks = frozenset({"run"})

    def run(self, config, run):
        from framework.training.ranks import world

        seen = world.gathered({"rank": world.rank(), "gpu": os.environ["CUDA_VISIBLE_DEVICES"], "run": run.id})
        place = Path(os.environ["HOME"]) / f"{config.mood}-{world.rank()}"
        place.write_text(f"{os.getpid()} {os.getppid()}")
        if config.mood == "raises" and world.rank() == 1:
            raise ValueError("rank one does not want to")
        if config.mood == "stuck" and world.is_first():
            while True:  # nothing tells it that the other one is gone
                time.sleep(0.1)
        if config.mood == "stuck" and world.rank() == 1:
            os.kill(os.getpid(), 9)
        while config.mood == "waits" and (Path(os.environ["HOME"]) / "hold").exists():
            time.sleep(0.05)
        world.wait()
        if config.mood == "late" and world.rank() == 1:
            time.sleep(1.0)  # the first one is done by then
            raise ValueError("rank one changed its mind")
        run.log({"ranks": len(seen), "gpus": ",".join(one["gpu"] for one in seen)})
        run.summarise({"one_run": len({one["run"] for one in seen}) == 1})
"""
RUNS = """
import json, sys, wandb
runs = wandb.Api().runs("local/lab", filters={"sweep": sys.argv[1]})
print(json.dumps([{"id": run.id, "state": run.state, "mood": run.config["mood"], **dict(run.summary)}
                  for run in runs], default=str))
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab.make(tmp_path_factory.mktemp("lab"))
    made.environment |= {"CUDA_VISIBLE_DEVICES": "5,7", "SASHIKO_LEASE_SECONDS": "6"}
    made.add_experiment("told", "manager:Told", {"manager.py": MANAGER})
    yield made
    made.close()


def sweep_of(lab: Lab, *moods: str) -> Path:
    path = lab.folder / f"{'-'.join(moods)}.yaml"
    path.write_text(
        f"name: {path.stem}\nproject: lab\nmethod: grid\n"
        'command: ["${env}", "python", "-m", "experiments", "told"]\n'
        f"parameters: {{mood: {{values: [{', '.join(moods)}]}}}}\n"
    )
    return path


OPTIONS = ("--embedded", "--gpus", "all", "--gpus-per-run", "2")


def pids(lab: Lab, mood: str) -> list[int]:
    """The processes of both ranks, and of the worker."""
    texts = [(lab.folder / f"{mood}-{rank}").read_text().split() for rank in (0, 1)]
    return [int(texts[0][0]), int(texts[1][0]), int(texts[0][1])]


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until_gone(*gone: int, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while any(lives(pid) for pid in gone):
        assert time.monotonic() < end, f"one of {gone} lives"
        time.sleep(0.05)


def test_two_gpus_are_two_ranks_of_one_run_and_a_failure_is_told_with_its_error(lab: Lab):
    done = lab.sashiko("sweep", str(sweep_of(lab, "well", "raises", "stuck", "late")), *OPTIONS)
    assert done.returncode == 1, done.stdout + done.stderr
    path = re.findall(r"sweep local/lab/(\w+)", done.stdout)[0]
    runs = asked(lab, RUNS, path)
    (well,) = [run for run in runs if run["mood"] == "well"]
    assert (well["state"], well["ranks"], well["gpus"], well["one_run"]) == ("finished", 2, "5,7", True)
    errors = {run["mood"]: run["error"] for run in runs if run["state"] == "failed"}
    assert re.fullmatch(
        r"RankFailed: rank 1 \(process \d+ on \S+\): ValueError: rank one does not want to", errors["raises"]
    )
    assert errors["late"].endswith("ValueError: rank one changed its mind")
    gone = r"RankFailed: rank 1 \(process \d+ on \S+\) is gone without a word: it was killed, .*"
    assert re.fullmatch(gone, errors["stuck"])
    for mood in ("well", "raises", "stuck", "late"):
        until_gone(*pids(lab, mood)[:2])


@pytest.mark.parametrize("victim", ["the first rank", "the worker"])
def test_no_rank_outlives_the_run(lab: Lab, victim: str):
    hold = lab.folder / "hold"
    hold.write_text("")
    started = lab.start("launch.cli", "sweep", str(sweep_of(lab, "waits")), "--new", *OPTIONS)
    try:
        end = time.monotonic() + 60
        marks = [lab.folder / f"waits-{rank}" for rank in (0, 1)]
        while not all(mark.exists() and mark.read_text() for mark in marks):
            assert time.monotonic() < end, started.poll()
            time.sleep(0.05)
        first, other, worker = pids(lab, "waits")
        os.kill(first if victim == "the first rank" else worker, signal.SIGKILL)
        until_gone(first, other)
    finally:
        hold.unlink()
        started.send_signal(signal.SIGINT)
        started.communicate(timeout=60)
        for mark in marks:
            mark.unlink(missing_ok=True)


def test_an_experiment_that_cannot_share_is_refused(lab: Lab):
    file = lab.folder / "alone.yaml"
    file.write_text(
        "name: alone\nproject: lab\nmethod: grid\ncommand: [python, -m, experiments, stitching]\n"
        "parameters: {num_samples: {values: [[50]]}}\n"
    )
    done = lab.sashiko("sweep", str(file), *OPTIONS)
    assert done.returncode == 2
    assert "gpus_per_run: a run would have 2 processes, and one of stitching uses a single one" in done.stderr


# --- without a sweep -------------------------------------------------------------------------------------------


def test_a_process_that_cannot_start_is_told_of(monkeypatch):
    monkeypatch.setattr(ranks, "QUIET", ("sh", "-c", "exit 3", "rank"))
    monkeypatch.setattr(ranks, "_srun", lambda team: [])
    others = Others(Team(2, 1), "127.0.0.1")
    try:
        others.start({})
        with pytest.raises(ranks.RankFailed, match=r"srun ended with code 3 before all ranks were there"):
            others.wait_until_there()
    finally:
        others.end()


def test_a_stranger_is_not_heard(monkeypatch):
    monkeypatch.setattr(ranks, "QUIET", ("sh", "-c", "sleep 60", "rank"))
    monkeypatch.setattr(ranks, "ENDS_S", 0.1)
    monkeypatch.setattr(ranks, "JOINS_S", 1.0)
    monkeypatch.setattr(ranks, "_srun", lambda team: [])
    others = Others(Team(2, 1), "127.0.0.1")
    try:
        others.start({})
        with socket.create_connection(others._listener.getsockname()) as stranger:
            stranger.sendall(b'{"token": "guessed", "rank": 1, "host": "x", "pid": 1}\n')
            assert stranger.recv(1) == b""
        with pytest.raises(ranks.RankFailed, match="rank 1 of 2 did not come within 1 seconds"):
            others.wait_until_there()
    finally:
        others.end()


def test_a_child_can_be_ended_by_one_of_its_threads(tmp_path):
    def work():
        threading.Thread(target=child.end_now, args=("RankFailed: rank 1 is gone",)).start()
        time.sleep(30)

    outcome = child.Child(work, tmp_path / "log").wait(10)
    assert outcome is not None
    assert (outcome.closed, outcome.error, outcome.exit_code) == (False, "RankFailed: rank 1 is gone", 1)
