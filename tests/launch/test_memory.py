from pathlib import Path

import pytest

from launch import memory

EVENTS = "low 0\nhigh 3\nmax 7\noom 2\noom_kill {}\n"


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of /proc/self/cgroup, beside a mount in that of /sys/fs/cgroup."""
    monkeypatch.setattr(memory, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "MOUNT", tmp_path / "mount")
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_MEM_PER_NODE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def second(groups: Path, kills: int) -> None:
    (groups / "cgroup").write_text("0::/slurm/job_1/step_0\n")
    place = groups / "mount" / "slurm" / "job_1" / "step_0"
    place.mkdir(parents=True, exist_ok=True)
    (place / "memory.events").write_text(EVENTS.format(kills))


def test_the_kernel_counts_in_the_second_form(groups: Path):
    second(groups, 2)
    assert memory.kills() == 2
    assert not memory.was_short(2, 10_000.0)
    second(groups, 3)
    assert memory.was_short(2, 1.0)


def test_and_in_the_first_form(groups: Path):
    (groups / "cgroup").write_text("5:cpu,cpuacct:/x\n4:memory:/slurm/uid_1\n1:name=systemd:/y\n")
    place = groups / "mount" / "memory" / "slurm" / "uid_1"
    place.mkdir(parents=True)
    (place / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n")
    assert memory.kills() == 4


def test_where_nobody_counts_the_most_that_a_process_used_tells(groups: Path, monkeypatch: pytest.MonkeyPatch):
    assert memory.kills() is None
    assert not memory.was_short(None, 10_000.0), "outside a job nobody has asked for memory"
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1000")
    assert memory.was_short(None, 950.0)
    assert not memory.was_short(None, 500.0)
