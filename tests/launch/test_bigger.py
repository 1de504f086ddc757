"""A job with more memory is submitted as from outside: it outlives the job that asks for it."""

import json
import os
from pathlib import Path

import pytest

from framework.plan import Point
from framework.tracking.sweeps import SweepPath
from launch import bigger, scratch, slurm
from launch.profile import Profile


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in os.environ if name.startswith(("SLURM_", "SBATCH_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(bigger, "_started_with", {})


@pytest.mark.usefixtures("clean")
def test_what_is_submitted_has_the_environment_that_the_job_was_started_with(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    monkeypatch.setenv("SBATCH_PARTITION", "small")
    monkeypatch.setenv("WANDB_CONSOLE", "auto")
    monkeypatch.delenv("TMPDIR", raising=False)
    bigger.remember(os.environ)
    with scratch.folder() as folder:
        monkeypatch.setenv("WANDB_CONSOLE", "off")
        monkeypatch.setenv("WANDB_CACHE_DIR", str(folder / "client"))
        before = dict(os.environ)
        assert before["TMPDIR"] == str(folder)
        with bigger.as_outside():
            assert not {"TMPDIR", "SLURM_JOB_ID", "SBATCH_PARTITION", "WANDB_CACHE_DIR"} & os.environ.keys()
            assert os.environ["SLURM_CONF"] == "/etc/slurm.conf"
            assert os.environ["WANDB_CONSOLE"] == "auto"
        assert dict(os.environ) == before


@pytest.mark.usefixtures("clean")
def test_without_a_note_it_is_the_environment_of_now_without_the_job(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("OTHER", "1")
    with bigger.as_outside():
        assert "SLURM_JOB_ID" not in os.environ
        assert os.environ["OTHER"] == "1"
    assert os.environ["SLURM_JOB_ID"] == "7"


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    ("profile", "gpus", "words"),
    [
        ({"memory_gb": 2.0, "workers": 4}, 0, "--workers 1 --nodes 1 --gpus-per-run 1"),
        ({"memory_gb": 2.0, "gpus": 4, "workers": 2}, 1, "--workers 1 --nodes 1 --gpus-per-run 1"),
        ({"memory_gb": 2.0, "gpus": 4, "gpus_per_run": 2}, 2, "--workers 1 --nodes 1 --gpus-per-run 2"),
        (
            {"memory_gb": 2.0, "gpus": 2, "gpus_per_run": 2, "nodes_per_run": 3},
            2,
            "--workers 1 --nodes 3 --gpus-per-run 2",
        ),
    ],
)
def test_a_point_has_there_what_it_had(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, profile: dict[str, object], gpus: int, words: str
):
    asked: list[slurm.Request] = []

    def submit(_tracker: object, request: slurm.Request) -> list[str]:
        asked.append(request)
        return ["7"]

    monkeypatch.setattr(slurm, "submit", submit)
    (tmp_path / "request.json").write_text(
        json.dumps({"profile": Profile.parse(profile).model_dump(mode="json"), "folder": str(tmp_path)})
    )
    monkeypatch.setenv(bigger.VARIABLE, str(tmp_path / "request.json"))
    point = Point(5, "p", "b", Profile(), {})
    told = [bigger.ask(None, SweepPath("e", "p", "s"), point) for _ in range(2)]  # type: ignore[arg-type]
    assert told == ["with 3 GB instead of 2 GB, in job 7"] * 2
    first, second = (" ".join(request.command) for request in asked)
    assert f"launch.crew e/p/s {words} --point 5 --run " in first
    assert first != second, "each has a run of its own"
    bigger_one = asked[0].profile
    assert (bigger_one.memory_gb, bigger_one.gpus, bigger_one.workers) == (3.0, gpus, 1)
    assert not list(bigger_one.conflicts())
