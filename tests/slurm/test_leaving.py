"""Jobs that are told to leave, or are killed: the same run goes on, and every point ends once."""

import contextlib
import os
import re
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab
from tests.launch.trained import add_trained, runs_of, trained_sweep
from tests.slurm import cluster as slurm
from tests.slurm.cluster import NODES, Cluster
from tests.slurm.conftest import PROFILE, logs, until

WHOLE_NODE = PROFILE.replace("cpus = 1", "cpus = 4")
SHORT = WHOLE_NODE.replace("time_minutes = 5", "time_minutes = 2").replace(
    "warning_seconds = 10", "warning_seconds = 60"
)


@dataclass
class Scene:
    """A job that trains, and waits in the third epoch for as long as the file `hold` is there.

    `whole` is what the runs say that nobody interrupts, by seed.
    """

    lab: Lab
    cluster: Cluster
    name: str
    hold: Path
    whole: Mapping[int, Mapping[str, Any]]
    path: str = ""
    job: str = ""

    def begin(self) -> None:
        """Submit the job, and wait until it is at work."""
        step = self.lab.folder / "seed-0.step"
        step.unlink(missing_ok=True)
        file = trained_sweep(self.lab, self.name, "[0, 1]", seconds=0.0)
        done = self.lab.sashiko("sweep", str(file), "--new", "--embedded", "--slurm", "whole.toml")
        assert done.returncode == 0, done.stderr
        self.path = re.findall(r"sweep (local/lab/\w+)", done.stdout)[0]
        self.job = re.findall(r"^submitted 1 job: (\d+)", done.stdout, re.MULTILINE)[0]
        until(lambda: step.exists() and step.read_text() == "14", "a run is at work")

    def state(self) -> str:
        return self.cluster.run("squeue", "-h", "-t", "all", "-o", "%T", "-j", self.job).strip()

    def node(self) -> str:
        return self.cluster.run("squeue", "-h", "-t", "all", "-o", "%N", "-j", self.job).strip()

    def runs(self) -> list[tuple[str, str, int]]:
        """The id, the state and the seed of each run of the sweep."""
        return [(run["id"], run["state"], run["seed"]) for run in runs_of(self.lab, self.path)]

    def ends(self, *, runs: int = 2) -> None:
        """Let the points end: each is finished once, as if nothing had been, by so many runs in all."""
        self.hold.unlink(missing_ok=True)
        until(lambda: self.state() == "COMPLETED", f"the job ends\n{logs(self.lab)}", 120)
        found = runs_of(self.lab, self.path)
        finished = {run["seed"]: run for run in found if run["state"] == "finished"}
        assert sorted(run["seed"] for run in found if run["state"] == "finished") == [0, 1], found
        assert len(found) == runs, found
        for seed, run in finished.items():
            assert (run["rows"], run["summary"]) == (self.whole[seed]["rows"], self.whole[seed]["summary"])

    def preempt(self, seconds: int = 8) -> None:
        """Jobs of the other partition want all the nodes."""
        for _ in NODES:
            options = ("-p", "high", "-c", "4", "--mem=500", "-o", "/dev/null")
            self.cluster.run("sbatch", *options, "--wrap", f"sleep {seconds}")


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster that preempts as a test asks for."""
    wanted = getattr(request, "param", {})
    missing = slurm.missing(accounting=wanted.get("accounting", False))
    if missing:
        pytest.skip(f"Slurm is not installed ({', '.join(missing)}): python -m tests.slurm.cluster install")
    with slurm.running(**wanted) as made:
        yield made


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Mapping[str, Any]]:
    """What the runs say that nobody interrupts, by seed."""
    lab = Lab.make(tmp_path_factory.mktemp("whole"))
    add_trained(lab)
    try:
        done = lab.sashiko("sweep", str(trained_sweep(lab, "calm", "[0, 1]", seconds=0.0)), "--workers", "2")
        assert done.returncode == 0, done.stderr
        return {run["seed"]: run for run in runs_of(lab, re.findall(r"sweep (local/lab/\w+)", done.stdout)[0])}
    finally:
        lab.close()


@pytest.fixture
def profile() -> str:
    """What the job asks for."""
    return WHOLE_NODE


@pytest.fixture
def scene(
    lab: Lab,
    cluster: Cluster,
    whole: Mapping[int, Mapping[str, Any]],
    profile: str,
    request: pytest.FixtureRequest,
) -> Iterator[Scene]:
    hold = lab.folder / "hold"
    hold.write_text("")
    lab.environment |= {"TRAINED_HOLD": str(hold), "SASHIKO_CHECKPOINT_S": "0.5"}
    if not (lab.folder / "experiments" / "trained").exists():
        add_trained(lab)
    (lab.folder / "whole.toml").write_text(profile)
    made = Scene(lab, cluster, re.sub(r"\W", "_", request.node.name), hold, whole)
    made.begin()
    yield made
    hold.unlink(missing_ok=True)
    for job in cluster.run("squeue", "-h", "-o", "%i").split():
        cluster.run("scancel", "--signal=KILL", "--full", job)
    until(lambda: not cluster.run("squeue", "-h", "-o", "%i").split(), "nothing is left")


WAYS = [
    {"preempt": preempt, "warns": warns, "accounting": accounting}
    for preempt, warns, accounting in [
        ("REQUEUE", True, False), ("REQUEUE", False, True), ("CANCEL", True, False), ("CANCEL", False, False),
        ("CANCEL", True, True), ("SUSPEND", True, False),
    ]
]  # fmt: skip


@pytest.mark.parametrize("cluster", WAYS, indirect=True, ids=lambda way: "-".join(map(str, way.values())))
def test_a_job_that_is_preempted_goes_on_as_the_same_run(scene: Scene):
    first = scene.runs()
    scene.preempt()
    until(lambda: scene.state() in ("PENDING", "SUSPENDED"), "the job makes place")
    if scene.cluster.preempt != "SUSPEND":
        until(lambda: [state for _, state, _ in scene.runs()] == ["preempted"], "its run is given back")
    until(lambda: scene.state() == "RUNNING", "the job has its place again", 90)
    scene.ends()
    assert first[0][0] in [run for run, _, _ in scene.runs()]


@pytest.mark.parametrize(
    "leave",
    [
        ("scancel", "--signal=USR2"),
        ("scancel", "--full", "--signal=USR2"),
        ("scontrol", "requeue"),
    ],
)
def test_a_job_that_is_told_to_leave_is_queued_again(scene: Scene, leave: tuple[str, ...]):
    first = scene.runs()
    scene.cluster.run(*leave, scene.job)
    until(lambda: [state for _, state, _ in scene.runs()] == ["preempted"], "its run is given back")
    scene.ends()
    assert first[0][0] in [run for run, _, _ in scene.runs()]


@pytest.mark.parametrize("cluster", [{"accounting": True}], indirect=True, ids=["accounting"])
@pytest.mark.parametrize("profile", [SHORT], ids=["two minutes"])
def test_a_job_whose_time_is_over_goes_on_in_another_time(scene: Scene):
    first = scene.runs()
    until(lambda: [state for _, state, _ in scene.runs()] == ["preempted"], "its run is given back", 90)
    scene.ends()
    assert first[0][0] in [run for run, _, _ in scene.runs()]


def test_a_cancelled_job_gives_back_its_run_and_another_goes_on(scene: Scene):
    first = scene.runs()
    scene.cluster.run("scancel", scene.job)
    until(lambda: [state for _, state, _ in scene.runs()] == ["preempted"], "its run is given back")
    until(lambda: scene.state() == "CANCELLED", "the job is over")
    done = scene.lab.sashiko("agents", scene.path, "--embedded", "--slurm", "whole.toml")
    scene.job = re.findall(r"^submitted 1 job: (\d+)", done.stdout, re.MULTILINE)[0]
    scene.ends()
    assert first[0][0] in [run for run, _, _ in scene.runs()]


def test_what_a_dead_node_held_is_worked_elsewhere(scene: Scene):
    node = scene.node()
    kill_node(scene.cluster, node)
    until(lambda: scene.node() not in ("", node) and scene.state() == "RUNNING", "it runs elsewhere", 90)
    scene.ends(runs=3)
    assert sorted(state for _, state, _ in scene.runs()) == ["crashed", "finished", "finished"]
    scene.cluster.start_node(node)


def kill_node(cluster: Cluster, node: str) -> None:
    """A machine that is gone: its slurmd and all that it started end at one moment, and none tells of another."""
    parents = {int(entry.name): parent_of(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    pids = {int((cluster.folder / "run" / f"slurmd-{node}.pid").read_text())}
    pids |= {pid for pid in parents if is_of(pid, cluster, node)}
    pids |= {parents[pid] for pid in pids if name_of(parents[pid]).startswith("slurmstepd")}
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def parent_of(entry: Path) -> int:
    with contextlib.suppress(OSError):
        return int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
    return 0


def name_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text()
    return ""


def is_of(pid: int, cluster: Cluster, node: str) -> bool:
    """Whether a process was started by a job on this node: Slurm names the node in its environment."""
    with contextlib.suppress(OSError):
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        return f"SLURMD_NODENAME={node}".encode() in environment and str(cluster.folder).encode() in environment
    return False
