"""How busy a GPU is, is looked at where there is one, and nowhere else; what is seen reaches the run's record."""

import os
import time
from pathlib import Path

import pytest

from framework.tracking import workplace
from launch import gpu_watch
from launch.gpu_watch import GpuWatch
from tests.launch.test_slurm import fake


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_watch, "LOOK_S", 0.0)
    monkeypatch.setenv(workplace.SAMPLES, "")


def test_what_is_seen_is_averaged_in_the_record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    fake(monkeypatch, tmp_path, "nvidia-smi", 'echo "$@" >> words; echo "60, 1000"')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    watch, file = GpuWatch(), tmp_path / "samples"
    watch.begin(file)
    assert os.environ[workplace.SAMPLES] == str(file)
    end = time.monotonic() + 20
    while len(workplace.samples(file)) < 2 and time.monotonic() < end:
        watch.look()
        time.sleep(0.02)
    assert workplace.Meter().read()["gpu_percent"] == 60
    assert "--id=1 --query-gpu=utilization.gpu,memory.used" in (tmp_path / "words").read_text()
    watch.end()
    assert not file.exists()


def test_a_driver_that_hangs_is_not_asked_twice_and_does_not_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    fake(monkeypatch, tmp_path, "nvidia-smi", "echo $$ >> pids; exec sleep 100")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    watch = GpuWatch()
    watch.begin(tmp_path / "samples")
    end = time.monotonic() + 20
    while not (tmp_path / "pids").exists() and time.monotonic() < end:
        watch.look()
    for _ in range(3):
        watch.look()
    watch.end()
    (pid,) = map(int, (tmp_path / "pids").read_text().split())
    assert not Path(f"/proc/{pid}").exists()


def test_without_a_gpu_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    fake(monkeypatch, tmp_path, "nvidia-smi", f"touch {tmp_path}/asked")
    watch = GpuWatch()
    watch.begin(tmp_path / "samples")
    watch.look()
    watch.end()
    assert os.environ[workplace.SAMPLES] == ""
    assert not (tmp_path / "asked").exists()
