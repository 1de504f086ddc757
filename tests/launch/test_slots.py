"""Slots: which workers there are, and which GPU each of them sees."""

import subprocess
import sys
from pathlib import Path

import pytest

from framework.errors import ConfigError
from launch.crew import slots_meant, words_for
from launch.slots import Slot, gpus_here, slots_of
from launch.team import Team


def fake_driver(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_without_gpus_there_are_as_many_workers_as_are_asked_for():
    assert slots_of(None) == [Slot()]
    assert slots_of(3) == [Slot()] * 3


def test_every_gpu_has_its_workers_one_each_before_a_second(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5f")
    assert slots_of(None, "all") == [Slot("3"), Slot("GPU-5f")]
    assert slots_of(None, "all", 2) == [Slot("3"), Slot("GPU-5f"), Slot("3"), Slot("GPU-5f")]
    assert slots_of(None, "1", 2) == [Slot("GPU-5f")] * 2
    assert slots_of(None, "1, 0") == [Slot("GPU-5f"), Slot("3")]


def test_a_run_of_several_gpus_has_them_to_itself(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5f,0,1")
    slots = slots_of(None, "all", None, 2)
    assert slots == [Slot("3,GPU-5f"), Slot("0,1")]
    assert [slot.team for slot in slots] == [Team(1, 2)] * 2
    assert slots_of(None, "2,0", 1, 2) == [Slot("0,3")]
    assert slots_of(None, "all", None, 1) == slots_of(None, "all")


def test_the_driver_is_asked_where_nothing_names_the_gpus(monkeypatch, tmp_path):
    fake_driver(monkeypatch, tmp_path, "echo 0; echo 1; echo 2")
    assert slots_of(None, "0,2") == [Slot("0"), Slot("2")]
    fake_driver(monkeypatch, tmp_path, "echo 'no devices were found'; exit 6")
    assert gpus_here() == []


@pytest.mark.parametrize(("named", "here"), [("", []), ("-1", []), ("0,-1,1", ["0"]), ("0, 1", ["0", "1"])])
def test_what_the_environment_names_is_what_cuda_would_see(monkeypatch, named, here):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert gpus_here() == here


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((2, "all", None), ["--workers: is 2; with --gpus there is a worker for each GPU"]),
        ((None, "", 2), ["--per-gpu: needs --gpus"]),
        ((None, "", 2, 2), ["--per-gpu: needs --gpus", "--gpus-per-run: needs --gpus"]),
        (
            (None, "all", 2, 3),
            [
                "--per-gpu: is 2, and --gpus-per-run is 3: a run of several GPUs has them to itself",
                "--gpus-per-run: is 3, and of 2 GPUs 2 would be idle",
            ],
        ),
        ((None, "0,7,x,0", None), ["names '7'; allowed: all, or of 0, 1", "names 'x'", "names 0 2 times"]),
    ],
)
def test_what_does_not_go_together_is_told(monkeypatch, options, says):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(ConfigError) as caught:
        slots_of(*options)
    assert len(caught.value.problems) == len(says)
    for told, wanted in zip(caught.value.problems, says, strict=True):
        assert wanted in str(told)


def test_without_a_gpu_the_message_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(ConfigError, match="no GPU that the driver knows of; leave it out to use the CPU"):
        slots_of(None, "all")


def test_the_workers_first_process_is_told_of_the_slots():
    assert words_for("a/b/c", [Slot()] * 2) == ["a/b/c", "--workers", "2"]
    assert words_for("a/b/c", [Slot("0"), Slot("1")]) == ["a/b/c", "--gpu", "0", "--gpu", "1"]
    assert words_for("a/b/c", [Slot("0,1", 2)]) == ["a/b/c", "--gpu", "0,1", "--nodes", "2"]
    assert words_for("a/b/c", [Slot(None, 3)]) == ["a/b/c", "--workers", "1", "--nodes", "3"]


def test_asking_for_gpus_imports_no_torch():
    code = "import launch.slots, sys; launch.slots.slots_of(None, '0'); assert 'torch' not in sys.modules"

    subprocess.run([sys.executable, "-c", code], check=True, env={"CUDA_VISIBLE_DEVICES": "0", "PATH": ""})


def test_a_job_for_one_point_gives_it_the_gpus_that_are_here(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert slots_meant([], 1, 3, 2) == [Slot("5,7", 3)]
    assert slots_meant([], 2, 1, 1) == [Slot(None, 1)] * 2
    assert slots_meant(["5"], 1, 1, 1) == [Slot("5", 1)]
