"""Jobs run the code of the moment at which they were submitted, however late they start, and when queued again."""

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.lab import QUICK, ROOT, Lab, quick_sweep
from tests.launch.test_frozen import git, records
from tests.launch.test_workers import rows, sweep_path
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import PROFILE, logs, until

LATE = QUICK.replace(
    "        run.summarise({",
    "        from experiments.quick.number import NUMBER\n\n        run.summarise({'result': NUMBER, "
    "'worker': sys.modules['launch.worker'].__file__, ",
)


@pytest.fixture(scope="module")
def lab(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The whole project as somebody's repository, with an experiment of theirs."""
    made = Lab.make(tmp_path_factory.mktemp("lab"))
    for package in ("framework", "launch"):
        shutil.copytree(ROOT / package, made.folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    made.environment |= cluster.environment | {"PATH": f"{made.environment['PATH']}:/usr/sbin"}
    made.environment |= {"SASHIKO_LEASE_SECONDS": "6", "QUICK_HOLD": str(made.folder / "hold")}
    made.add_experiment("quick", "manager:Quick", {"manager.py": LATE})
    (made.folder / ".gitignore").write_text("__pycache__/\ncache/\nwandb*/\nhold\n*.yaml\n*.toml\n")
    write(made, 0)
    git(made.folder, "init", "--quiet", "--initial-branch=main")
    git(made.folder, "add", "--all")
    git(made.folder, "commit", "--quiet", "--message=first")
    yield made
    made.close()


def write(lab: Lab, number: int) -> None:
    (lab.folder / "experiments" / "quick" / "number.py").write_text(f"NUMBER = {number}\n")


def submit(lab: Lab, name: str, *words: str, begin: str = "now+12") -> tuple[str, str]:
    """Submit one job that is to wait; what the command said, and the job."""
    (lab.folder / "late.toml").write_text(f'{PROFILE}sbatch = {{ begin = "{begin}" }}\n')
    file = quick_sweep(lab, name, "{x: {values: [0, 1]}}")
    done = lab.sashiko("sweep", str(file), "--embedded", "--slurm", "late.toml", "--new", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, re.findall(r"^submitted 1 job: (\d+)", done.stdout, re.MULTILINE)[0]


def state(cluster: Cluster, job: str) -> str:
    return cluster.run("squeue", "-h", "-t", "all", "-o", "%T", "-j", job).strip()


def states_of_runs(lab: Lab, said: str) -> list[object]:
    return [run["state"] for run in rows(lab, sweep_path(said))]


def results(lab: Lab, said: str) -> list[object]:
    return [run["summary"]["result"] for run in rows(lab, sweep_path(said))]  # type: ignore[index]


@pytest.mark.timeout(400)
def test_a_job_that_starts_late_and_is_queued_again_runs_the_code_of_its_submission(lab: Lab, cluster: Cluster):
    hold = lab.folder / "hold"
    hold.write_text("")
    write(lab, 1)
    said, job = submit(lab, "late")
    assert state(cluster, job) == "PENDING"
    write(lab, 2)
    until(lambda: states_of_runs(lab, said) == ["running"], f"a run is at work\n{logs(lab)}", 90)
    cluster.run("scontrol", "requeue", job)
    until(lambda: states_of_runs(lab, said) == ["preempted"], "it is given back", 60)
    write(lab, 3)
    hold.unlink()
    until(lambda: state(cluster, job) == "COMPLETED", f"the job ends\n{logs(lab)}", 180)
    assert results(lab, said) == [1, 1]
    tree = str(records(lab, said)["tree"])
    assert f"code: {tree[:10]} (commit " in said
    assert f"code: {tree[:10]}\n" in logs(lab)
    code = lab.folder / ".sashiko" / "code" / tree
    assert (code / "experiments" / "quick" / "number.py").read_text() == "NUMBER = 1\n"
    workers = {run["summary"]["worker"] for run in rows(lab, sweep_path(said))}  # type: ignore[index]
    assert workers == {str(code / "launch" / "worker.py")}


@pytest.mark.timeout(300)
def test_a_live_job_runs_what_it_finds(lab: Lab, cluster: Cluster):
    write(lab, 4)
    said, job = submit(lab, "live", "--live")
    assert state(cluster, job) == "PENDING"
    write(lab, 5)
    until(lambda: state(cluster, job) == "COMPLETED", f"the job ends\n{logs(lab)}", 90)
    assert results(lab, said) == [5, 5]
    assert "tree" not in records(lab, said)


@pytest.mark.timeout(300)
def test_a_job_whose_code_was_changed_runs_nothing_and_says_so(lab: Lab, cluster: Cluster):
    write(lab, 6)
    said, job = submit(lab, "edited")
    (tree,) = re.findall(r"^code: (\w+) ", said, re.MULTILINE)
    (folder,) = (lab.folder / ".sashiko" / "code").glob(f"{tree}*/")
    edited = folder / "experiments" / "quick" / "number.py"
    edited.chmod(0o644)
    edited.write_text("NUMBER = 7\n")
    until(lambda: state(cluster, job) == "FAILED", f"the job ends\n{logs(lab)}", 90)
    assert f"the code that this was submitted with, {folder}, was changed" in logs(lab)
    assert states_of_runs(lab, said) == []


def test_the_text_shows_it(lab: Lab):
    write(lab, 8)
    said, _ = submit(lab, "shown", begin="now+3600")
    path = sweep_path(said)
    told = lab.sashiko("agents", path, "--embedded", "--slurm", "late.toml", "--shell").stdout
    (tree,) = re.findall(r"^code: (\w+), as it was when", told, re.MULTILINE)
    (folder,) = (lab.folder / ".sashiko" / "code").glob(f"{tree}*/")
    (export,) = re.findall(r"^export PYTHONSAFEPATH=.*$", told, re.MULTILINE)
    command = f"{export}; echo $PYTHONPATH $PYTHONSAFEPATH $SASHIKO_CODE"
    ran = subprocess.run(
        ["bash", "-c", command], env={"PYTHONPATH": "/mine"}, text=True, capture_output=True, check=True
    )
    assert ran.stdout.split() == [f"{folder}:/mine", "1", str(folder)]
    told = lab.sashiko("agents", path, "--embedded", "--slurm", "late.toml", "--shell", "--live").stdout
    assert "PYTHONSAFEPATH" not in told
    assert f"agents {path} --workers 1 --idle 8 --live" in told
    lab.sashiko("cancel", path, "--embedded")
