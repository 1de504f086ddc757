"""Runs over two nodes with two ranks on each: one W&B run, equal to one process; nothing outlives it."""

import os
import re
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab, quick_sweep
from tests.launch.trained import MANAGER, runs_of, trained_sweep
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import PROFILE, logs, until

RANKS = PROFILE.replace("cpus = 1", "cpus = 2") + "gpus = 2\ngpus_per_run = 2\nnodes_per_run = 2\n"
HEAD = "    config = TrainedConfig\n"
STARTS = "            def on_train_batch_start(self, trainer, module, batch, index):\n"
FIRST = STARTS + "                if not trainer.is_global_zero:\n                    return\n"
SHARED = MANAGER.replace(HEAD, HEAD + "    ranks = frozenset({'run'})\n").replace(STARTS, FIRST)
"""The first rank alone waits for the test; the others wait for it."""


@dataclass
class Scene:
    """A lab on the cluster whose trainings wait at their fifteenth batch while the file `hold` is there."""

    lab: Lab
    cluster: Cluster
    hold: Path
    alone: Mapping[str, Any]
    path: str = ""
    job: str = ""

    def submit(self, name: str) -> None:
        file = trained_sweep(self.lab, name, "[0]", seconds=0.0)
        done = self.lab.sashiko("sweep", str(file), "--new", "--embedded", "--slurm", "ranks.toml")
        assert done.returncode == 0, done.stderr
        self.path = re.findall(r"sweep (local/lab/\w+)", done.stdout)[0]
        self.job = re.findall(r"^submitted 1 job: (\d+)", done.stdout, re.MULTILINE)[0]

    def state(self) -> str:
        return self.cluster.run("squeue", "-h", "-t", "all", "-o", "%T", "-j", self.job).strip()

    def is_at_work(self) -> None:
        step = self.lab.folder / "seed-0.step"
        until(lambda: step.exists() and step.read_text() == "14", f"a run is at work\n{logs(self.lab)}", 120)

    def rank_elsewhere(self) -> int:
        """The process of a rank on the node that the first one is not on."""
        return next(iter(ranks_of(self.lab)))

    def ends(self) -> None:
        self.hold.unlink(missing_ok=True)
        until(lambda: self.state() == "COMPLETED", f"the job ends\n{logs(self.lab)}", 90)

    def runs(self) -> list[dict[str, Any]]:
        return runs_of(self.lab, self.path)


def ranks_of(lab: Lab) -> dict[int, str]:
    """The ranks of other nodes than the first one's, by the id of their process: the node that each is on."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if b"python" in words[0] and b"launch.rank" in words and f"HOME={lab.folder}".encode() in environment:
            found[int(entry.name)] = re.findall(rb"SLURMD_NODENAME=(\w+)", environment)[0].decode()
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What the run of one process says."""
    lab = Lab.make(tmp_path_factory.mktemp("alone"))
    lab.add_experiment("trained", "manager:Trained", {"manager.py": SHARED})
    try:
        done = lab.sashiko("sweep", str(trained_sweep(lab, "alone", "[0]", seconds=0.0)))
        assert done.returncode == 0, done.stderr
        return runs_of(lab, re.findall(r"sweep (local/lab/\w+)", done.stdout)[0])[0]
    finally:
        lab.close()


@pytest.fixture
def scene(lab: Lab, cluster: Cluster, alone: Mapping[str, Any]) -> Iterator[Scene]:
    hold = lab.folder / "hold"
    lab.environment |= {"TRAINED_HOLD": str(hold)}
    if not (lab.folder / "experiments" / "trained").exists():
        lab.add_experiment("trained", "manager:Trained", {"manager.py": SHARED})
    (lab.folder / "ranks.toml").write_text(RANKS)
    (lab.folder / "seed-0.step").unlink(missing_ok=True)
    yield Scene(lab, cluster, hold, alone)
    hold.unlink(missing_ok=True)
    for job in cluster.run("squeue", "-h", "-o", "%i").split():
        cluster.run("scancel", "--signal=KILL", "--full", job)
    until(lambda: not ranks_of(lab), "no rank is left")


def assert_equal(run: Mapping[str, Any], alone: Mapping[str, Any]) -> None:
    assert len(run["rows"]) == len(alone["rows"])
    for row, wanted in zip(run["rows"], alone["rows"], strict=True):
        assert row.keys() == wanted.keys()
        assert numbers(row) == pytest.approx(numbers(wanted), rel=0, abs=1e-6)
    assert run["summary"] == pytest.approx(alone["summary"], rel=0, abs=1e-6)
    assert any("val/mse" in row for row in run["rows"])


def numbers(row: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in row.items() if isinstance(value, int | float)}


def test_two_nodes_with_two_ranks_each_are_one_run_that_leaves_and_goes_on(scene: Scene):
    scene.hold.write_text("")
    scene.submit("together")
    scene.is_at_work()
    counts = Counter(ranks_of(scene.lab).values())
    assert list(counts.values()) == [2], "two are on another node; the one beside the first is a fork of it"
    (first,) = scene.runs()
    scene.cluster.run("scancel", "--full", "--signal=USR2", scene.job)
    until(lambda: [run["state"] for run in scene.runs()] == ["preempted"], f"it is given back\n{logs(scene.lab)}")
    until(lambda: not ranks_of(scene.lab), "no rank is left")
    scene.ends()
    (run,) = scene.runs()
    assert (run["id"], run["state"]) == (first["id"], "finished")
    assert_equal(run, scene.alone)
    assert logs(scene.lab).count("1 given back") == 1
    printed = scene.lab.sashiko("logs", f"lab/{run['id']}", "--embedded").stdout
    assert "going on with checkpoint-run-" in printed
    assert not ranks_of(scene.lab)


def test_a_rank_that_is_killed_on_another_node_fails_the_run_and_leaves_nothing(scene: Scene):
    scene.hold.write_text("")
    scene.submit("killed")
    scene.is_at_work()
    victim = scene.rank_elsewhere()
    os.kill(victim, signal.SIGKILL)
    scene.hold.unlink()
    until(lambda: "failed" in {run["state"] for run in scene.runs()}, f"it has failed\n{logs(scene.lab)}", 30)
    scene.ends()  # a point that failed so is worked once more
    runs = {run["state"]: run for run in scene.runs()}
    assert sorted(runs) == ["failed", "finished"]
    assert_equal(runs["finished"], scene.alone)
    said = logs(scene.lab)
    assert re.search(rf"RankFailed: rank \d \(process {victim} on node\d\) is gone without a word", said), said
    assert not ranks_of(scene.lab)


def test_an_experiment_that_cannot_share_is_refused_before_anything_starts(scene: Scene):
    file = quick_sweep(scene.lab, "refused", "{x: {values: [0]}}")
    done = scene.lab.sashiko("sweep", str(file), "--embedded", "--slurm", "ranks.toml")
    assert done.returncode == 2
    assert "gpus_per_run: a run would have 4 processes, and one of quick uses a single one" in done.stderr
