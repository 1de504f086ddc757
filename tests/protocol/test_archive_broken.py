"""Archives that are broken off, by a kill or a full disk; and what the same command makes then."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.archive.archiving import must_be_whole
from launch.server.storage import open_store
from launch.server.storage.lines import HISTORY
from tests.lab import ROOT
from tests.protocol.conftest import Lab, Server
from tests.protocol.test_push import SECONDS, lab_for

pytestmark = pytest.mark.slow

RUNS, ROWS, LIMIT = 300, 200, 1024 * 1024


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A server with so many runs that an archive of them takes a while."""
    folder = tmp_path_factory.mktemp("full")
    chance = random.Random(0)
    (folder / "state").mkdir()
    store = open_store(folder / "state" / "server.db")
    with store.write() as tables:
        project = tables.projects.make("many")[0]["id"]
    for index in range(RUNS):
        rows = [f'{{"_step":{step},"a":{chance.random()},"b":{chance.random()}}}' for step in range(ROWS)]
        with store.write() as tables:
            run = tables.runs.add(project, f"r{index}", display_name=f"run {index}", started=1, state="finished")
            tables.lines.put(run, HISTORY, 0, rows)
    store.close()
    server = Server(folder / "state").start()
    (folder / "lab").mkdir()
    yield lab_for(server, folder / "lab")
    server.end()


@pytest.fixture(scope="module")
def whole(full: Lab) -> Path:
    """An archive that nothing has broken off."""
    process = archive(full, "whole.tar.zst")
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output
    return full.folder / "whole.tar.zst"


def archive(lab: Lab, file: str, *before: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*before, sys.executable, "-m", "launch.cli", "archive", "many", file], cwd=lab.folder, text=True,
        env=lab.environment() | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def must_be_the_same(path: Path, whole: Path) -> None:
    ours, theirs = must_be_whole(path), must_be_whole(whole)
    assert list(ours.members) == list(theirs.members)
    for name in ours.members:
        assert name == "archive.json" or ours.read(name) == theirs.read(name), name
    assert ours.told["counts"] == theirs.told["counts"] == {
        "sweeps": 0, "runs": RUNS, "rows": RUNS * ROWS, "artifacts": 0, "files": 0, "running": 0,
    }  # fmt: skip


def test_a_kill(full: Lab, whole: Path) -> None:
    kills = 0
    partial = full.folder / "killed.tar.zst.partial"
    for size in (1, 300_000, 800_000):
        process = archive(full, "killed.tar.zst")
        end = time.monotonic() + SECONDS
        while process.poll() is None and time.monotonic() < end:
            if size_of(partial) >= size:
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
        process.communicate(timeout=SECONDS)
    assert kills
    if not (full.folder / "killed.tar.zst").exists():  # the last kill may have come too late
        process = archive(full, "killed.tar.zst")
        output, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, output
    must_be_the_same(full.folder / "killed.tar.zst", whole)


def test_a_full_disk(full: Lab, whole: Path) -> None:
    process = archive(full, "bounded.tar.zst", "bash", "-c", f'ulimit -f {LIMIT // 1024}; exec "$@"', "-")
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1, output
    assert "no room is left (File too large); what is written stays: make room" in output
    assert not (full.folder / "bounded.tar.zst").exists()
    assert (full.folder / "bounded.tar.zst.partial").stat().st_size <= LIMIT
    process = archive(full, "bounded.tar.zst")
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output
    must_be_the_same(full.folder / "bounded.tar.zst", whole)


def test_a_target_that_is_there_and_names_of_nothing(full: Lab, whole: Path) -> None:
    process = archive(full, whole.name)
    output, _ = process.communicate(timeout=SECONDS)
    assert (process.returncode, "is there already: give another FILE" in output) == (1, True)
    process = subprocess.run(
        [sys.executable, "-m", "launch.cli", "archive", "nothing", "n.tar.zst"], cwd=full.folder, text=True,
        env=full.environment() | {"PYTHONPATH": str(ROOT)}, capture_output=True, check=False,
    )  # fmt: skip
    assert process.returncode == 3
    assert "has no project local/nothing and no sweep local/sashiko/nothing" in process.stderr
