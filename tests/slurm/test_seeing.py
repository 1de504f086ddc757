"""To see and to steer on a real cluster: what runs and waits, what jobs print and use, what a node sees."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab, add_quick, quick_sweep
from tests.slurm import cluster as slurm
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import PROFILE, touch, until


def document(done: "subprocess.CompletedProcess[str]") -> dict:
    """The one JSON document on standard output."""
    assert done.stdout.count("\n") == 1, done.stdout + done.stderr
    found: dict = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def held(lab: Lab, cluster: Cluster) -> Iterator[tuple[str, str, Path]]:
    """A sweep with two jobs that run, each with a point that is held, and two that wait: sweep, job, file."""
    hold = touch(lab, "hold")
    (lab.folder / "few.toml").write_text(PROFILE.replace("cpus = 1", "cpus = 2\ngpus = 1") + "parallel_jobs = 2\n")
    file = quick_sweep(lab, "held", "{x: {values: [0, 1, 2, 3]}}")
    words = ("--embedded", "--slurm", "few.toml", "-n", "4", "--json")
    done = lab.sashiko("sweep", str(file), *words, QUICK_HOLD=str(hold))
    found = document(done)
    assert done.returncode == 0, done.stderr
    assert set(found) == {"tracker", "sweep", "url", "jobs", "count", "name", "logs"}
    assert (found["count"], "submitted 4 jobs" in done.stderr) == (4, True)
    assert found["name"] == f"sashiko-{found['sweep'].rsplit('/', 1)[1]}"
    assert Path(found["logs"]).is_dir()
    try:
        until(lambda: seen(lab, found["sweep"])["points"].get("running") == 2, "two points are at work")
        yield found["sweep"], found["jobs"][0], hold
    finally:
        hold.unlink(missing_ok=True)
        lab.sashiko("cancel", found["sweep"], "--embedded")


def seen(lab: Lab, sweep: str) -> dict:
    return document(lab.sashiko("status", sweep, "--embedded", "--json"))


def test_workers_are_known_by_node_gpu_job_and_process_and_waiting_jobs_by_reason(lab: Lab, held):
    sweep, job, _ = held
    found = seen(lab, sweep)
    assert found["points"] == {"running": 2, "waiting": 2}
    assert found["problem"] == ""
    assert sorted(worker["job"] for worker in found["workers"]) == [f"{job}_0", f"{job}_1"]
    for worker in found["workers"]:
        assert re.fullmatch(r"node\d", worker["host"])
        assert (worker["gpu"], worker["attempt"], worker["job_state"], worker["note"]) == ("0", 1, "RUNNING", "")
        assert Path(f"/proc/{worker['process']}").exists()
    assert [one["id"] for one in found["waiting"]] == [f"{job}_2", f"{job}_3"]
    assert {(one["state"], one["reason"]) for one in found["waiting"]} == {("PENDING", "JobArrayTaskLimit")}
    said = lab.sashiko("status", sweep, "--embedded").stdout
    assert f"2 jobs wait in the queue ({job}_2, {job}_3): as many jobs of its array run" in said
    assert "killed" not in said
    (one,) = document(lab.sashiko("status", "--embedded", "--json"))["sweeps"]
    assert (one["workers"], one["jobs"]) == (2, {"running": 2, "waiting": 2})


def test_logs_of_a_job_that_runs_and_of_one_that_waits(lab: Lab, held):
    _, job, _ = held
    found = document(lab.sashiko("logs", f"{job}_0", "--json"))
    assert (found["what"], found["state"]) == (f"{job}_0", "running")
    assert {line["source"] for line in found["lines"]} == {f"{job}_0_0_log.out"}
    waits = lab.sashiko("logs", f"{job}_3")
    assert (waits.returncode, waits.stdout) == (0, "")
    assert waits.stderr.startswith(f"job {job}_3 waits in the queue: as many jobs")
    assert f"2 of 4 jobs of {job} wait in the queue" in lab.sashiko("logs", job).stderr


def test_what_would_be_submitted_is_told_as_json(lab: Lab, held):
    sweep = held[0]
    words = ("--embedded", "--slurm", "small.toml", "-n", "3", "--shell", "--json")
    found = document(lab.sashiko("agents", sweep, *words))
    assert set(found) == {"sweep", "count", "script", "command"}
    assert "#SBATCH --array=0-2%3" in found["script"]
    assert found["command"][-7:] == ["agents", sweep, "--workers", "1", "--idle", "8", "--live"]


def test_a_job_a_run_and_a_sweep_are_cancelled_and_the_log_of_one_that_waited_ends(
    lab: Lab, cluster: Cluster, held
):
    """The last test of the held sweep."""
    sweep, job, hold = held
    follows = lab.start("launch.cli", "logs", f"{job}_3", "--follow", "--json")
    until(lambda: "1" if _reads(follows) else "", "it says that the job waits")
    gone = document(lab.sashiko("cancel", f"{job}_2", "--json"))
    assert gone == {"kind": "job", "what": f"{job}_2", "state": "pending", "cancelled": True, "jobs": [f"{job}_2"]}
    run = seen(lab, sweep)["workers"][0]["run"]
    done = lab.sashiko("cancel", f"lab/{run}", "--embedded")
    assert f"asked run local/lab/{run}" in done.stdout
    assert f"to open it: sashiko rerun {sweep} --failed" in done.stdout
    until(lambda: seen(lab, sweep)["points"].get("stopped") == 1, "its worker has heard of it")
    found = seen(lab, sweep)
    assert [(failure["cause"], failure["count"]) for failure in found["failures"]] == [("stopped", 1)]
    assert sum(found["points"].values()) == 4
    stopped = document(lab.sashiko("cancel", sweep, "--embedded", "--json"))
    assert (stopped["kind"], stopped["cancelled"]) == ("sweep", True)
    assert f"{job}_3" in stopped["jobs"]
    said, problem = follows.communicate(timeout=60)
    assert (follows.returncode, json.loads(said)["error"]["kind"]) == (3, "ClusterError")
    assert re.search(rf"job {job}_3 is over \(cancelled[\w ]*\) and has written nothing", problem), problem
    hold.unlink()
    told = ("squeue", "-h", "-r", "-t", "all", "-o", "%T", "-j", job)
    until(lambda: set(cluster.run(*told).split()) == {"CANCELLED"}, "all jobs are over")
    _look_at_use(document(lab.sashiko("efficiency", sweep, "--embedded", "--json")), job)


def _look_at_use(found: dict, job: str) -> None:
    """Without accounts the runs themselves tell what they used, also those that were stopped or given back."""
    assert {used["job"] for used in found["jobs"]} == {f"{job}_0", f"{job}_1"}
    for used in found["jobs"]:
        assert (used["cpus"], used["memory_mb"], used["state"]) == (2, 1536, "CANCELLED")
        assert used["measured_by"] == "the runs themselves"
        assert used["peak_memory_mb"] is None or 100 < used["peak_memory_mb"] < 1536, "with the warm parent"
    assert any(used["peak_memory_mb"] for used in found["jobs"])
    assert 0 < found["cpu_share"] < 1
    assert found["gpu_percent"] is None


def _reads(process: "subprocess.Popen[str]") -> bool:
    assert process.stderr is not None
    return "waits in the queue" in process.stderr.readline()


def test_the_doctor_looks_from_a_node_and_leaves_nothing(lab: Lab, cluster: Cluster):
    (lab.folder / "gpu.toml").write_text(PROFILE + "gpus = 1\n")
    done = lab.sashiko("doctor", "--embedded", "--slurm", "gpu.toml", "--json")
    told = {item["what"]: item for item in document(done)["findings"]}
    for what in ("node", "its folder", "its tracker", "its clock", "its versions"):
        assert told[what]["good"], told[what]
    assert re.fullmatch(r"node\d ran a job", told["node"]["told"])
    gpus = told["its GPUs"]
    assert (done.returncode, gpus["good"]) == (1, False), "the cluster's GPUs are pretended"
    assert gpus["told"] == "0 that torch can use (CUDA_VISIBLE_DEVICES=0); 1 asked for"
    assert list((lab.folder / ".sashiko" / "slurm").glob("doctor-*")) == []


def test_a_node_that_is_busy_is_told_as_that_and_the_job_goes(lab: Lab, cluster: Cluster):
    code = (
        "from pathlib import Path; from launch import node_check, doctor; "
        "found = node_check.examine(Path('.sashiko'), 'large.toml', embedded=True, limit_s=4.0); "
        "doctor.show(found)"
    )
    (lab.folder / "large.toml").write_text(
        PROFILE.replace("cpus = 1", "cpus = 4") + 'exclude = ["node2", "node3"]\n'
    )
    cluster.run("scontrol", "update", "NodeName=node1", "State=DRAIN", "Reason=test")
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=lab.folder,
            env=lab.environment,
            text=True,
            capture_output=True,
            check=True,
        )
    finally:
        cluster.run("scontrol", "update", "NodeName=node1", "State=RESUME")
    assert re.search(r"job \d+ still waits in the queue after 4 s and was cancelled: \S", done.stdout), done.stdout
    assert "killed" not in done.stdout
    waiting = cluster.run("squeue", "-h", "-t", "PENDING,RUNNING", "-o", "%j").split()
    assert not [name for name in waiting if "doctor" in name]


def test_with_accounts_slurm_tells_what_jobs_used(tmp_path_factory: pytest.TempPathFactory):
    missing = slurm.missing(accounting=True)
    if missing:
        pytest.skip(f"Slurm's accounting is not installed ({', '.join(missing)})")
    with slurm.running(accounting=True) as cluster:
        lab = Lab.make(tmp_path_factory.mktemp("accounts"))
        lab.environment |= cluster.environment | {"PATH": f"{lab.environment['PATH']}:/usr/sbin"}
        (lab.folder / "small.toml").write_text(PROFILE)
        add_quick(lab)
        try:
            file = quick_sweep(lab, "accounts", "{x: {values: [0, 1]}, seconds: {value: 2.0}}")
            done = lab.sashiko("sweep", str(file), "--embedded", "--slurm", "small.toml", "--wait")
            assert done.returncode == 0, done.stderr
            found = {}

            def accounted() -> bool:
                found.update(document(lab.sashiko("efficiency", str(file), "--embedded", "--json")))
                return found["jobs"][0]["measured_by"] == "Slurm's accounting"

            until(accounted, "the accounts are written", 30)
            (used,) = found["jobs"]
            assert (used["state"], used["runs"], used["cpus"], used["memory_mb"]) == ("COMPLETED", 2, 1, 1536)
            assert 0.2 < used["cpu_seconds"] < 2 * used["seconds"]
            assert used["peak_memory_mb"] is None or 50 < used["peak_memory_mb"] < 1536
            assert "accounting" in lab.sashiko("efficiency", str(file), "--embedded").stdout
        finally:
            lab.close()
