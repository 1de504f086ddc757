"""What children had to import, and what their parent takes over of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from launch import imports
from launch.child import Child, Outcome
from tests.lab import Lab

OFFLINE = """
import os, sys
from launch import client_service
from pathlib import Path

client_service.warm_up()

def run():
    import pandas as pd
    import wandb
    run = wandb.init(mode="offline", dir=sys.argv[1])
    run.log({"table": wandb.Table(dataframe=pd.DataFrame({"a": [1, 2]}))})
    run.summary.update({"listed": [1, 2]})
    run.finish()

from launch.child import Child
from launch import imports
for number in range(2):
    child = Child(run, Path(sys.argv[1]) / f"{number}.log")
    while (outcome := child.wait(1.0)) is None:
        pass
    print(outcome.error, len(outcome.imported), flush=True)
    imports.catch_up(outcome.imported)
client_service.end()
"""


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of a shared library that this process has not imported; forgotten again at the end."""
    name = "scipy.cluster.hierarchy"
    for known in [known for known in sys.modules if known.startswith("scipy.cluster")]:
        monkeypatch.delitem(sys.modules, known)
    return name


def ended(child: Child) -> Outcome:
    while True:
        if (outcome := child.wait(5.0)) is not None:
            return outcome


def test_a_child_tells_what_its_parent_lacked_and_the_next_finds_it(tmp_path: Path, forgotten: str):
    def work() -> None:
        __import__(forgotten)

    first = ended(Child(work, tmp_path / "first"))
    assert forgotten in first.imported
    assert forgotten not in sys.modules
    imports.catch_up(first.imported)
    assert forgotten in sys.modules
    assert ended(Child(work, tmp_path / "second")).imported == ()


def test_only_libraries_without_threads_of_their_own_are_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "threading_here.py").write_text("import threading")
    monkeypatch.syspath_prepend(str(tmp_path))

    def work() -> None:
        __import__("threading_here")

    assert ended(Child(work, tmp_path / "log")).imported == ()
    imports.catch_up(["threading_here", "wandb.there_is_no_such_module"])
    assert "threading_here" not in sys.modules


def test_after_the_first_run_a_child_of_a_warm_worker_imports_nothing(tmp_path: Path):
    lab = Lab.make(tmp_path)
    try:
        done = subprocess.run(
            [sys.executable, "-c", OFFLINE, str(tmp_path)], cwd=tmp_path, env=lab.environment, text=True,
            capture_output=True, check=True, timeout=120,
        )  # fmt: skip
    finally:
        lab.close()
    first, second = (line.split() for line in done.stdout.splitlines() if line.strip()[:1].isdigit())
    assert int(first[0]) < 60, "the warm-up itself imports what every run needs"
    assert second == ["0"]
