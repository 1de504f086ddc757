"""Agents on a real cluster: submitted at once, as arrays, followed, ended when their work is."""

import json
import re
import subprocess
import sys
import time

import pytest

from tests.lab import Lab, add_quick, quick_sweep
from tests.slurm import cluster as slurm
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import PROFILE, logs, touch, until


def submitted(said: str) -> list[str]:
    found = re.search(r"^submitted \d+ jobs?(?: in \d+ arrays)?: ([\d ]+);", said, re.MULTILINE)
    assert found, said
    return found.group(1).split()


def sweep_path(said: str) -> str:
    found = re.search(r"sweep (local/lab/\w+)", said)
    assert found, said
    return found.group(1)


def states(cluster: Cluster, *ids: str) -> list[str]:
    told = cluster.run("squeue", "-h", "-r", "-t", "all", "-o", "%T", "-j", ",".join(ids))
    return told.split()


def test_a_sweep_is_submitted_and_followed_to_its_end(lab: Lab, cluster: Cluster):
    file = quick_sweep(lab, "followed", "{x: {values: [0, 1, 2, 3, 4, 5]}}")
    done = lab.sashiko("sweep", str(file), "--embedded", "--slurm", "small.toml", "-n", "3", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 of 6 runs finished, 0 failed" in done.stdout
    (job,) = submitted(done.stdout)
    assert states(cluster, job) == ["COMPLETED"] * 3
    said = lab.sashiko("logs", job).stdout
    assert [line for line in said.splitlines() if line.startswith("== ")] == [
        f"== {job}_{place}_0_log.out" for place in range(3)
    ]
    assert said.count("0 failed, 0 required artifacts made") == 3
    alone = lab.sashiko("logs", f"{job}_1", "-f").stdout
    assert alone.count("0 failed, 0 required artifacts made") == 1
    assert "note: only this machine reaches http://127.0.0.1" in done.stderr
    assert "Traceback" not in logs(lab)
    for command in (("sweep", str(file)), ("agents", str(file))):
        again = lab.sashiko(*command, "--embedded", "--slurm", "small.toml", "-n", "3")
        assert again.returncode == 0, again.stderr
        assert "nothing to run: 6 of 6 runs have ended, 0 of them failed" in again.stdout
        assert "submitted" not in again.stdout


def test_it_returns_at_once_and_the_jobs_bear_the_sweeps_name(lab: Lab, cluster: Cluster):
    file = quick_sweep(lab, "at_once", "{x: {values: [0, 1]}, seconds: {value: 3.0}}")
    start = time.monotonic()
    done = lab.sashiko("sweep", str(file), "--embedded", "--slurm", "small.toml", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start < 20
    (job,) = submitted(done.stdout)
    name = f"sashiko-{sweep_path(done.stdout).rsplit('/', 1)[1]}"
    assert cluster.run("squeue", "-h", "-r", "-t", "all", "-o", "%j", "-j", job).split() == [name] * 2
    until(lambda: states(cluster, job) == ["COMPLETED"] * 2, "the jobs end with their work")


def test_a_job_that_is_given_nothing_leaves_though_another_is_at_work(lab: Lab, cluster: Cluster):
    file = quick_sweep(lab, "leaving", "{x: {values: [0]}, seconds: {value: 45.0}}")
    done = lab.sashiko("sweep", str(file), "--embedded", "--slurm", "small.toml", "-n", "3")
    (job,) = submitted(done.stdout)
    until(lambda: states(cluster, job).count("COMPLETED") == 2, "two of three leave", 40)
    assert states(cluster, job).count("RUNNING") == 1
    until(lambda: states(cluster, job) == ["COMPLETED"] * 3, "the third ends with its point")


def test_a_failed_run_is_told_by_the_exit_code(lab: Lab):
    file = quick_sweep(lab, "failing", "{x: {values: [0, 1]}, mood: {values: [well, raises]}}")
    done = lab.sashiko("sweep", str(file), "--embedded", "--slurm", "small.toml", "--wait")
    assert done.returncode == 1
    assert "2 of 4 runs finished, 2 failed" in done.stdout
    assert "2 runs failed; see: sashiko status local/lab/" in done.stderr


def test_options_that_do_not_go_together_are_refused(lab: Lab):
    file = quick_sweep(lab, "refused", "{x: {values: [0]}}")
    done = lab.sashiko("sweep", str(file), "--jobs", "2", "--wait")
    assert done.returncode == 2
    assert "--jobs: needs --slurm PROFILE" in done.stderr
    assert "--wait: needs --slurm PROFILE" in done.stderr
    done = lab.sashiko("sweep", str(file), "--workers", "2", "--slurm", "small.toml")
    assert (done.returncode, "--workers: is 2; the profile says" in done.stderr) == (2, True)


def test_what_slurm_refuses_is_told_in_its_words(lab: Lab):
    (lab.folder / "wrong.toml").write_text('partition = "nosuch"\ntime_minutes = 5\n')
    file = quick_sweep(lab, "wrong", "{x: {values: [0]}}")
    done = lab.sashiko("sweep", str(file), "--embedded", "--slurm", "wrong.toml")
    assert done.returncode == 2
    assert "--slurm wrong.toml: Slurm refuses such a job: sbatch: error: invalid partition" in done.stderr
    assert "Traceback" not in done.stderr
    assert "sweep local/lab" not in done.stdout, "no sweep is made"


@pytest.mark.parametrize("jobs", [1, 5])
def test_the_text_can_be_seen_beforehand(lab: Lab, jobs: int):
    file = quick_sweep(lab, f"shown{jobs}", f"{{x: {{values: [{jobs}]}}}}")
    made = lab.sashiko("sweep", str(file), "--embedded")
    path = sweep_path(made.stdout)
    done = lab.sashiko("agents", path, "--embedded", "--slurm", "small.toml", "-n", str(jobs), "--shell")
    assert done.returncode == 0, done.stderr
    assert ("#SBATCH --array=0-4%5" in done.stdout) == (jobs == 5)
    assert f"-m launch.cli agents {path} --workers 1 --idle 8" in done.stdout


def gpus_and_workers(lab: Lab, path: str) -> list[tuple[str, int]]:
    """The GPU and the worker of each run of a sweep."""
    project, sweep = path.rsplit("/", 1)
    code = f"""
import json, wandb
runs = wandb.Api().runs({project!r}, filters={{"sweep": {sweep!r}}})
print(json.dumps([[run.summary["gpu"], run.summary["pid"]] for run in runs]))
"""
    told = lab.sashiko("env").stdout.splitlines()
    exports = dict(line.removeprefix("export ").split("=", 1) for line in told if "=" in line)
    words, environment = [sys.executable, "-c", code], lab.environment | exports
    done = subprocess.run(words, cwd=lab.folder, env=environment, text=True, capture_output=True, check=True)
    return [(gpu, pid) for gpu, pid in json.loads(done.stdout.splitlines()[-1])]


def test_every_run_of_a_job_has_a_gpu_of_the_job(lab: Lab, cluster: Cluster):
    (lab.folder / "gpus.toml").write_text(PROFILE + "gpus = 2\nworkers = 2\n")
    file = quick_sweep(lab, "on_gpus", "{x: {values: [0, 1, 2, 3, 4, 5, 6, 7]}, seconds: {value: 2.0}}")
    done = lab.sashiko("sweep", str(file), "--embedded", "--slurm", "gpus.toml", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr + logs(lab)
    found = gpus_and_workers(lab, sweep_path(done.stdout))
    assert {gpu for gpu, _ in found} == {"0", "1"}
    assert len(set(found)) == 4, "four workers, two a GPU"


def test_a_sweep_is_cancelled_with_all_its_jobs(lab: Lab, cluster: Cluster):
    hold = touch(lab, "hold")
    try:
        file = quick_sweep(lab, "cancelled", "{x: {values: [0, 1, 2, 3, 4, 5]}, seconds: {value: 1.5}}")
        (lab.folder / "few.toml").write_text(PROFILE + "parallel_jobs = 2\n")
        done = lab.sashiko(
            "sweep", str(file), "--embedded", "--slurm", "few.toml", "-n", "4", QUICK_HOLD=str(hold)
        )
        path, (job,) = sweep_path(done.stdout), submitted(done.stdout)
        until(lambda: states(cluster, job).count("RUNNING") == 2, "two of four run")
        until(lambda: "2 running" in lab.sashiko("status", path, "--embedded").stdout, "two points are at work")
        said = lab.sashiko("status", path, "--embedded").stdout
        assert len(set(re.findall(rf"^  node(\d) +{job}_\d ", said, re.MULTILINE))) == 2, said
        assert "  2 jobs wait in the queue" in said
        assert "Slurm: JobArrayTaskLimit" in said
        done = lab.sashiko("cancel", f"{job}_0")
        assert done.stdout == f"cancelled job {job}_0; what it worked on is open again\n"
        until(lambda: states(cluster, f"{job}_0") == ["CANCELLED"], "the job is over")
        done = lab.sashiko("cancel", path, "--embedded")
        assert done.returncode == 0, done.stderr
        assert f"cancelled {path}: no more points are handed out" in done.stdout
        assert re.search(r"^cancelled [23] jobs$", done.stdout, re.MULTILINE)
        until(lambda: set(states(cluster, job)) <= {"CANCELLED"}, "all jobs are over")
        done = lab.sashiko("cancel", path, "--embedded")
        assert f"{path} is canceled already" in done.stdout
        assert lab.sashiko("cancel", f"{job}_0").stdout == f"job {job}_0 is over already (cancelled)\n"
    finally:
        hold.unlink()


def test_the_doctor_tells_what_the_cluster_is(lab: Lab):
    said = lab.sashiko("doctor", "--embedded").stdout
    assert re.search(r"^ok  Slurm +\d+\.\d+[\w.]*: main\* \(3 idle\), high \(3 idle\)$", said, re.MULTILINE), said
    assert re.search(
        r"^ok  its rules +arrays of 1001, preemption REQUEUE, without accounting$", said, re.MULTILINE
    )
    said = lab.sashiko("doctor", "--embedded", SLURM_CONF="/nowhere").stdout
    assert re.search(r"^!!  Slurm +scontrol: .*\n +→ its controller has to answer here", said, re.MULTILINE), said


def test_a_job_that_is_not_there_is_told(lab: Lab):
    done = lab.sashiko("cancel", "99999")
    assert done.returncode == 3
    assert "Slurm knows no job 99999" in done.stderr


def test_more_jobs_than_an_array_may_have_go_into_several(tmp_path_factory: pytest.TempPathFactory):
    missing = slurm.missing()
    if missing:
        pytest.skip(f"Slurm is not installed ({', '.join(missing)}): python -m tests.slurm.cluster install")
    with slurm.running(max_array=5) as cluster:
        lab = Lab.make(tmp_path_factory.mktemp("arrays"))
        lab.environment |= cluster.environment | {"PATH": f"{lab.environment['PATH']}:/usr/sbin"}
        (lab.folder / "small.toml").write_text(PROFILE)
        add_quick(lab)
        try:
            file = quick_sweep(lab, "arrays", "{x: {values: [0, 1, 2]}}")
            done = lab.sashiko("sweep", str(file), "--embedded", "--slurm", "small.toml", "-n", "12", "--wait")
            assert done.returncode == 0, done.stdout + done.stderr
            ids = submitted(done.stdout)
            assert len(ids) == 3
            assert "submitted 12 jobs in 3 arrays" in done.stdout
            assert [len(states(cluster, job)) for job in ids] == [5, 5, 2]
            assert "3 of 3 runs finished, 0 failed" in done.stdout
        finally:
            lab.close()
