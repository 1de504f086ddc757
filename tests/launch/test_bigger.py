"""A job with more memory is submitted as from outside: it outlives the job that asks for it."""

import os

import pytest

from launch import bigger, scratch


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
