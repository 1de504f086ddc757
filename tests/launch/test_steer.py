"""cancel, logs and delete: what is stopped, shown and forgotten, without a cluster."""

import re

import pytest

from tests.lab import Lab, quick_sweep

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def failed(lab: Lab) -> tuple[str, str]:
    """A sweep of which one point failed: its path, and the failed run's."""
    file = quick_sweep(lab, "steered", "{x: {values: [0, 1]}, mood: {values: [well, raises]}}")
    done = lab.sashiko("sweep", str(file), "--embedded")
    path = re.findall(r"sweep (local/lab/\w+)", done.stdout)[0]
    said = lab.sashiko("status", path, "--embedded").stdout
    return path, re.findall(r"local/lab/runs/(\w+)", said)[0]


def test_what_a_run_printed_is_shown(lab: Lab, failed: tuple[str, str]):
    for path in (f"lab/{failed[1]}", f"local/lab/{failed[1]}"):
        for more in ((), ("-f",)):
            done = lab.sashiko("logs", path, "--embedded", *more)
            assert done.returncode == 0, done.stderr
            assert done.stdout.startswith("Traceback (most recent call last):\n")
            assert "ValueError: x is " in done.stdout.splitlines()[-1]


def test_a_run_or_a_job_that_is_not_there_is_told(lab: Lab, failed: tuple[str, str]):
    done = lab.sashiko("logs", "lab/nosuch", "--embedded")
    assert done.returncode == 3
    assert "has no run lab/nosuch" in done.stderr
    done = lab.sashiko("logs", "4711")
    assert done.returncode == 3
    assert "no job 4711 has written below .sashiko/slurm" in done.stderr


def test_without_slurm_a_job_cannot_be_cancelled(lab: Lab):
    done = lab.sashiko("cancel", "4711", PATH=str(lab.folder))
    assert done.returncode == 3
    assert "sbatch, srun, squeue, scancel are not on PATH" in done.stderr


def test_a_file_that_has_changed_since_does_not_say_what_to_cancel(lab: Lab, failed: tuple[str, str]):
    file = quick_sweep(lab, "edited", "{x: {values: [0, 1, 7]}, mood: {values: [well, raises]}}")
    file.write_text(file.read_text().replace("name: edited", "name: steered"))
    done = lab.sashiko("cancel", str(file), "--embedded")
    assert done.returncode == 3
    assert f"the newest of that name, {failed[0]}, differs: 2 new, 4 unchanged, 0 gone" in done.stderr


def test_a_sweep_is_cancelled_and_then_deleted(lab: Lab, failed: tuple[str, str]):
    path = failed[0]
    assert f"{path} is finished already" in lab.sashiko("cancel", path, "--embedded").stdout
    done = lab.sashiko("delete", path, "--embedded")
    assert f"deleted {path}; its runs stay" in done.stdout
    done = lab.sashiko("status", path, "--embedded")
    assert done.returncode == 3
    assert f"has no sweep {path}" in done.stderr
    assert lab.sashiko("logs", f"lab/{failed[1]}", "--embedded").returncode == 0
