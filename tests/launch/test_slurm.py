"""What is submitted to Slurm, as text; what Slurm tells of jobs, as it writes it. No cluster is needed."""

import pickle
import pickletools
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from framework.errors import ClusterError, ConfigError
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch import slurm
from launch.profile import Profile
from launch.submitted import Command

PATH = SweepPath("me", "project", "abc123")
FULL = Profile(
    partition="gpu", account="group", qos="long", constraint="a100|h100", exclude=("n1", "n2"), time_minutes=90,
    memory_gb=1.5, cpus=4, gpus=2, workers=3, parallel_jobs=5, warning_seconds=60, requeue=False,
    setup=("module load cuda", 'export A="b c"'), sbatch={"mail-type": "END", "exclusive": True},
)  # fmt: skip


def request(folder: Path, profile: Profile = FULL, jobs: int = 7) -> slurm.Request:
    return slurm.Request(PATH, profile, jobs, folder)


def options(text: str) -> dict[str, str]:
    lines = [line.removeprefix("#SBATCH --") for line in text.splitlines() if line.startswith("#SBATCH")]
    return {
        name: shlex.split(value)[0] if value else "" for name, _, value in (line.partition("=") for line in lines)
    }


def test_every_field_reaches_sbatch(tmp_path):
    text = slurm.script(request(tmp_path))
    place = tmp_path / "slurm" / "abc123"
    assert options(text) == {
        "account": "group", "array": "0-6%5", "comment": "me/project/abc123", "constraint": "a100|h100",
        "cpus-per-task": "4", "exclude": "n1,n2", "exclusive": "", "gpus-per-node": "2",
        "job-name": "sashiko-abc123", "mail-type": "END", "mem": "1536MB", "no-requeue": "", "nodes": "1",
        "open-mode": "append", "output": f"{place}/%A_%a_0_log.out", "partition": "gpu", "qos": "long",
        "signal": "USR2@60", "time": "90", "wckey": "submitit",
    }  # fmt: skip
    lines = text.splitlines()
    (start,) = [line for line in lines if line.startswith("srun ")]
    assert shlex.split(start)[-7:-3] == ["trap '' USR2; exec \"$@\"", "job", sys.executable, "-u"], start
    setup = lines.index("# setup")
    assert lines[setup + 1 : setup + 5] == [
        "trap : USR2", f"set -a; . {place}/tracker.env; set +a", "module load cuda", 'export A="b c"',
    ]  # fmt: skip
    assert lines[-1].endswith("-m launch.cli agents me/project/abc123 --gpus all --per-gpu 3 --idle 8 --live")


def test_a_configuration_that_is_not_there_is_told_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    monkeypatch.setattr(slurm.subprocess, "run", lambda *_, **__: pytest.fail("Slurm is asked"))
    with pytest.raises(ClusterError, match=r"squeue: SLURM_CONF is .*, and there is no such file"):
        slurm.call("squeue")


@pytest.mark.parametrize(
    ("said", "nodes", "error"),
    [
        ("", "idle", None),
        ("sbatch: error: invalid partition specified: nope", "idle", ConfigError),
        ("allocation failure: Requested node configuration is not available", "idle\nmixed", ConfigError),
        ("allocation failure: Requested node configuration is not available", "idle\ndown*", None),
        ("sbatch: error: Unable to contact slurm controller (connect failure)", "", ClusterError),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", "", ClusterError),
    ],
)
def test_a_profile_is_checked_before_anything_is_made(monkeypatch, said, nodes, error):
    asked = []

    def call(*command: str, text: str | None = None) -> str:
        asked.append((command, text))
        if command[0] == "sbatch" and said:
            raise ClusterError(f"sbatch: {said}")
        return nodes

    monkeypatch.setattr(slurm, "call", call)
    monkeypatch.setattr(slurm, "must_be_here", lambda: None)
    if error is None:
        slurm.check(FULL, "--slurm own")
    else:
        with pytest.raises(error, match=re.escape(said.removeprefix("sbatch: "))):
            slurm.check(FULL, "--slurm own")
    (command, text), *_ = asked
    assert command == ("sbatch", "--test-only")
    assert options(text or "")["partition"] == "gpu"
    assert "setup" not in (text or "")


def test_what_is_null_is_left_to_the_cluster(tmp_path):
    found = options(slurm.script(request(tmp_path, Profile(), 1)))
    assert not {"partition", "account", "qos", "constraint", "exclude", "gpus-per-node", "array"} & set(found)
    assert found["requeue"] == ""
    words = slurm.script(request(tmp_path, Profile(workers=2), 1)).splitlines()[-1]
    assert words.endswith("-m launch.cli agents me/project/abc123 --workers 2 --idle 8 --live")
    assert found["output"].endswith("/%j_0_log.out")


def test_a_run_of_several_nodes_has_one_agent_on_the_first(tmp_path):
    profile = Profile(gpus=4, gpus_per_run=4, nodes_per_run=2)
    text = slurm.script(request(tmp_path, profile, 1))
    found = options(text)
    assert (found["nodes"], found["ntasks-per-node"], found["gpus-per-node"]) == ("2", "1", "4")
    lines = text.splitlines()
    assert next(line for line in lines if line.startswith("srun")).find(" --nodes=1 --ntasks=1 ") > 0
    assert "trap : USR2" in lines, "the batch shell stays, though every process of the job is told to leave"
    assert lines[-1].endswith("--gpus all --per-gpu 1 --gpus-per-run 4 --nodes-per-run 2 --idle 8 --live")


def test_a_jobs_file_holds_words_and_no_code():
    words = ["python", "-m", "launch.cli", "agents", "x"]
    made = Command(words, requeue=True)
    made._process = subprocess.Popen(["true"])
    made._process.wait()
    text = pickle.dumps(made)
    texts = {argument for code, argument, _ in pickletools.genops(text) if "UNICODE" in code.name}
    reduced = {"copyreg", "_reconstructor", "builtins", "object"}  # how any object is written
    assert texts <= {*words, "launch.submitted", "Command", "words", "requeue", *reduced}
    assert pickle.loads(text).words == words


def test_the_key_is_the_owners_to_read_alone(tmp_path):
    path = tmp_path / "tracker.env"
    path.write_text("older")
    path.chmod(0o644)
    slurm._write_environment(path, Tracker("http://h:1", "se cret'$x"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    said = subprocess.run(
        ["bash", "-c", f"set -a; . {path}; set +a; env"], text=True, capture_output=True, check=True, env={}
    ).stdout
    assert "WANDB_API_KEY=se cret'$x" in said
    assert "WANDB_BASE_URL=http://h:1" in said


def test_without_slurm_the_message_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ClusterError, match=r"sbatch, srun, squeue, scancel are not on PATH: .* agents SWEEP --workers"
    ):
        slurm.submit(Tracker("http://h:1", "k"), request(tmp_path))


def fake(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_jobs_as_squeue_tells_them(monkeypatch, tmp_path):
    lines = ("12_0|RUNNING|node1|1-02:03:04|None", "12_1|PENDING||0:00|Resources", "13|COMPLETED|n2|5:06|None")
    fake(monkeypatch, tmp_path, "squeue", "\n".join(f"echo '{line}'" for line in lines))
    first, second, third = slurm.jobs_of(PATH)
    assert first == slurm.Job("12_0", "RUNNING", "node1", "", 93_784)
    assert (second.reason, second.has_ended, third.has_ended, third.seconds) == ("Resources", False, True, 306)
    assert slurm.counts([first, second, third]) == {"RUNNING": 1, "PENDING": 1, "COMPLETED": 1}


def test_what_slurm_says_is_in_the_error(monkeypatch, tmp_path):
    fake(monkeypatch, tmp_path, "squeue", 'echo "slurm_load_jobs error: Unable to contact  slurm" >&2; exit 1')
    with pytest.raises(ClusterError, match="squeue: slurm_load_jobs error: Unable to contact slurm"):
        slurm.jobs_of(PATH)
    fake(monkeypatch, tmp_path, "squeue", 'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1')
    assert slurm.jobs_with(["7"]) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0:07", 7),
        ("59:59", 3599),
        ("1:00:00", 3600),
        ("2-00:00:01", 172_801),
        ("INVALID", 0),
        ("", 0),
        ("x-1:0", 0),
    ],
)
def test_times_as_slurm_writes_them(text, seconds):
    assert slurm.seconds_of(text) == seconds


def test_a_job_is_told_how_many_points_its_workers_take_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("SASHIKO_TOGETHER", "20")
    words = slurm.script(request(tmp_path, Profile(workers=2), 1)).splitlines()[-1]
    assert words.endswith("--workers 2 --idle 8 --together 20 --live")
