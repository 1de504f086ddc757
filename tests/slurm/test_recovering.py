"""Jobs with too little memory, and nodes on which everything fails, on a real cluster."""

import json
import re

from tests.lab import Lab, quick_sweep
from tests.launch.test_workers import rows
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import PROFILE, until


def submitted(lab: Lab, *words: str) -> tuple[str, str]:
    """The sweep's path, and what the command said."""
    done = lab.sashiko(*words, "--embedded", "--slurm", "own.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"sweep (local/lab/\w+)", done.stdout)
    return (found[0] if found else ""), done.stdout


def said(lab: Lab) -> str:
    """What the jobs have written, on both of their streams."""
    return "".join(path.read_text() for path in sorted((lab.folder / ".sashiko" / "slurm").glob("*/*_log.*")))


def over(cluster: Cluster) -> bool:
    return not cluster.run("squeue", "-h", "-o", "%i").split()


def test_out_of_memory_is_tried_once_more_with_half_as_much_again(lab: Lab, cluster: Cluster):
    (lab.folder / "own.toml").write_text(PROFILE.replace("memory_gb = 1.5", "memory_gb = 0.5"))
    path, _ = submitted(lab, "sweep", str(quick_sweep(lab, "hungry", "{x: {values: [1]}, mood: {value: hungry}}")))
    until(lambda: over(cluster), "the jobs end", 90)
    assert [run["state"] for run in rows(lab, path)] == ["failed", "finished"], said(lab)
    assert "once more only" in said(lab)
    assert re.search(r"with 0\.75 GB instead of 0\.5 GB, in job \d+", said(lab)), said(lab)
    memory = [run["config"]["sashiko"]["worker"]["memory_mb"] for run in rows(lab, path)]  # type: ignore[index]
    assert memory == [512, 768]


def test_a_point_is_held_by_the_job_with_more_memory_and_is_open_when_that_is_gone(lab: Lab, cluster: Cluster):
    small = PROFILE.replace("memory_gb = 1.5", "memory_gb = 0.5")
    (lab.folder / "own.toml").write_text(small + 'sbatch = {begin = "now+12"}\n')
    parameters = "{x: {values: [1]}, mood: {value: hungry}, seconds: {value: 8.0}}"
    file = quick_sweep(lab, "gone", parameters)
    path, _ = submitted(lab, "sweep", str(file))

    def seen() -> dict:
        return json.loads(lab.sashiko("status", path, "--embedded", "--json").stdout)

    until(lambda: "for one point" in str(seen()["waiting"]), "it is tried once more", 60)
    waits = seen()
    assert (waits["points"], waits["failures"]) == ({"waiting": 1}, [])
    job = waits["waiting"][0]["id"]
    assert "no point of" in lab.sashiko("rerun", path, "--failed", "--embedded").stdout
    until(lambda: seen()["points"] == {"running": 1}, "it is at work", 60)
    cluster.run("scancel", "--signal=TERM", job)
    until(lambda: over(cluster), "the job is gone", 60)
    assert seen()["points"] == {"preempted and open": 1}
    (lab.folder / "own.toml").write_text(PROFILE)
    submitted(lab, "sweep", str(file))
    until(lambda: seen()["points"] == {"finished": 1}, "somebody else does it", 60)
    until(lambda: over(cluster), "the jobs end", 60)


def test_a_node_on_which_runs_fail_that_succeed_elsewhere_is_left_out(lab: Lab, cluster: Cluster):
    (lab.folder / "own.toml").write_text(PROFILE + 'exclude = ["node1", "node3"]\n')
    file = quick_sweep(lab, "picky", "{x: {values: [1, 2, 3]}, mood: {value: picky}}")
    path, _ = submitted(lab, "sweep", str(file))
    until(lambda: over(cluster), "the jobs end", 90)
    assert {run["state"] for run in rows(lab, path)} == {"failed"}
    (lab.folder / "own.toml").write_text(PROFILE + 'exclude = ["node2"]\n')
    submitted(lab, "rerun", path, "--failed")
    until(lambda: over(cluster), "the jobs end", 90)
    (lab.folder / "own.toml").write_text(PROFILE)
    _, told = submitted(lab, "rerun", path, "--points", "0-2")
    assert "node2 is left out: its last 3 runs failed, and the same points were done on other nodes" in told
    until(lambda: over(cluster), "the jobs end", 90)
    last = [run for run in rows(lab, path) if run["state"] == "finished"][3:]
    assert len(last) == 3, (told, said(lab)[-3000:])
    assert all(run["config"]["sashiko"]["worker"]["host"] != "node2" for run in last)  # type: ignore[index]


def test_a_job_leaves_when_another_point_would_not_fit_and_goes_on_with_a_whole_time(lab: Lab, cluster: Cluster):
    """Three minutes less the warning, and the minute that it may come early, hold one point of 58 s and not two.

    Without requeueing the sweep would stop.
    """
    (lab.folder / "own.toml").write_text(PROFILE.replace("time_minutes = 5", "time_minutes = 3"))
    pairs = "[{x: 1, seconds: 58.0}, {x: 2, seconds: 0.0}]"
    path, _ = submitted(lab, "sweep", str(quick_sweep(lab, "long", f"{{x+seconds: {{values: {pairs}}}}}")))
    until(lambda: "leaving" in said(lab), "the job leaves", 110)
    assert re.search(r"s are left to the job, and a point takes (5|6)\d s", said(lab))
    until(lambda: [run["state"] for run in rows(lab, path)] == ["finished"] * 2, "the same job goes on", 60)
    until(lambda: over(cluster), "the job ends", 60)
