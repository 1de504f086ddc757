"""Where a run is worked on, and what it used: as the environment and the system tell it."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from framework.tracking import workplace

SLURM = (
    "SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE",
    "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_RESTART_COUNT", "SLURMD_NODENAME", "CUDA_VISIBLE_DEVICES",
)  # fmt: skip


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*SLURM, workplace.SAMPLES):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("environment", "job"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "12"}, "12"),
        ({"SLURM_JOB_ID": "15", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3"}, "12_3"),
        ({"SLURM_JOB_ID": "12", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "0"}, "12_0"),
    ],
)
def test_a_job_is_called_as_squeue_calls_it(environment, job):
    assert workplace.job_id(environment) == job


def test_a_place_outside_a_job_is_the_machine(place: pytest.MonkeyPatch):
    found = workplace.here()
    assert set(found) == {"host", "process", "cpus", "memory_mb"}
    assert found["process"] == os.getpid()
    assert found["memory_mb"] > 100


def test_a_place_in_a_job_is_what_the_job_asked_for(place: pytest.MonkeyPatch):
    values = ("15", "12", "3", "4", "8", "2048", "", "2", "node7", "1")
    for name, value in zip(SLURM, values, strict=True):
        place.setenv(name, value)
    found = workplace.here()
    assert found == {
        "host": "node7", "process": os.getpid(), "gpu": "1", "cpus": 4, "memory_mb": 2048, "job": "12_3",
        "attempt": 3,
    }  # fmt: skip
    place.setenv("SLURM_MEM_PER_NODE", "")
    assert "memory_mb" not in workplace.here(), "what is not known is not told, and is not the machine's"
    place.setenv("SLURM_MEM_PER_CPU", "100")
    assert workplace.here()["memory_mb"] == 800


CODE = """
import json, time
from framework.tracking import workplace
meter = workplace.Meter()
held = bytearray(120 * 2**20)
for place in range(0, len(held), 4096):
    held[place] = 1
end = time.process_time() + 0.3
while time.process_time() < end:
    pass
print(json.dumps(meter.read() | {"shared_mb": workplace._shared_mb()}))
"""


def read(environment: dict[str, str]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, text=True, capture_output=True, check=True
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


def test_what_a_process_used_is_told(place: pytest.MonkeyPatch):
    found = read(dict(os.environ))
    assert 0.3 <= found["cpu_seconds"] < 5
    assert found["seconds"] >= 0.25
    # Linux counts what its parent had when it was started: of this process a test before may have needed more.
    parent = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert 120 <= found["peak_memory_mb"] < max(500, parent + 1)
    assert not {"job_memory_mb", "gpu_percent", "peak_gpu_memory_mb"} & set(found), "what is not known is not told"


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="memory of other processes: Linux alone tells")
def test_the_memory_of_a_job_is_that_of_all_its_processes(place: pytest.MonkeyPatch):
    other = "import sys; held = bytearray(b'1') * (64 * 2**20); print('up', flush=True); sys.stdin.read()"
    environment = dict(os.environ) | {"SLURM_JOB_ID": str(900_000_000 + os.getpid())}
    with subprocess.Popen(
        [sys.executable, "-c", other], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = read(environment)
        process.communicate()
    own_mb = found["peak_memory_mb"] - found["shared_mb"]  # without what others have, too
    assert 64 < found["job_memory_mb"] - own_mb < 200


def test_samples_of_a_gpu_are_averaged(place: pytest.MonkeyPatch, tmp_path: Path):
    file = tmp_path / "samples"
    place.setenv(workplace.SAMPLES, str(file))
    assert "gpu_percent" not in workplace.Meter().read()
    file.write_text("80, 1000\n[N/A], 1000\n\n41, 2\n")
    assert workplace.samples(file) == [80, 41]
    assert workplace.Meter().read()["gpu_percent"] == 60.5
