"""A sweep is read with the code that works it, whatever becomes of the working tree meanwhile."""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab import Lab, add_quick, quick_sweep
from tests.launch.test_frozen import git


@dataclass
class Scene:
    """A sweep of two runs that are at work, of which the code is frozen."""

    lab: Lab
    file: Path
    command: "subprocess.Popen[str]"

    @property
    def manager(self) -> Path:
        return self.lab.folder / "experiments" / "quick" / "manager.py"

    def running(self, *words: str) -> int:
        done = self.lab.sashiko("status", *words, "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["strangers"] == 0
        assert len([worker for worker in told["workers"] if worker["run"]]) == told["points"].get("running", 0)
        return int(told["points"].get("running", 0))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    lab = Lab.make(tmp_path)
    add_quick(lab)
    hold = tmp_path / "hold"
    hold.write_text("")
    lab.environment["QUICK_HOLD"] = str(hold)
    (tmp_path / ".gitignore").write_text("cache/\nwandb*/\n__pycache__/\nhold\n.sashiko/\n")
    file = quick_sweep(lab, "held", "{x: {values: [0, 1]}}")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message=first")
    made = Scene(lab, file, lab.start("launch.cli", "sweep", str(file), "--workers", "2"))
    end = time.monotonic() + 90
    while lab.sashiko("status", str(file)).stdout.count("x=") < 2:
        assert made.command.poll() is None, made.command.communicate()
        assert time.monotonic() < end, "the runs do not begin"
    yield made
    hold.unlink(missing_ok=True)
    made.command.communicate(timeout=90)
    lab.close()


@pytest.mark.slow
def test_status_and_cancel_know_the_runs_of_code_that_is_being_edited(scene: Scene):
    text, file = scene.manager.read_text(), str(scene.file)
    path = json.loads(scene.lab.sashiko("status", file, "--json").stdout)["sweep"]
    for edited in (
        text.replace("y: float = 0.5", "y: float = 0.25"),
        text + "\nclass Half(\n",
        "raise OSError('x')",
    ):
        scene.manager.write_text(edited)
        assert scene.running(file) == 2
        assert scene.running(path) == 2
        assert scene.lab.sashiko("efficiency", file).returncode == 0
    words = scene.file.read_text()
    scene.file.write_text(words.replace("[0, 1]", "[0, 1, 2]"))
    assert scene.running(file) == 2, "the sweep of its name, though the file goes on"
    scene.file.write_text(words)
    listed = scene.lab.sashiko("status")
    assert listed.returncode == 0
    assert "Traceback" not in listed.stderr
    again = scene.lab.sashiko("sweep", file)
    assert again.returncode == 2
    assert "experiment `quick` cannot be imported: OSError: x (" in again.stderr
    assert "manager.py:1)" in again.stderr
    done = scene.lab.sashiko("cancel", file)
    assert "no more points are handed out" in done.stdout, done.stderr


def test_code_that_is_gone_is_told_and_the_sweep_is_read_as_it_lies(scene: Scene):
    (tree,) = [place for place in (scene.lab.folder / ".sashiko" / "code").glob("*.json") if len(place.stem) == 40]
    tree.rename(tree.with_suffix(".aside"))
    done = scene.lab.sashiko("status", str(scene.file))
    assert done.returncode == 0, done.stderr
    assert "was changed; " in done.stderr
    assert "read with the code as it lies" in done.stderr
    assert "2 running" in done.stdout


def test_a_file_that_is_not_there_is_told_as_such(tmp_path: Path):
    lab = Lab.make(tmp_path)
    try:
        done = lab.sashiko("status", "nothing.yaml", "--embedded")
    finally:
        lab.close()
    assert done.returncode == 2
    assert "nothing.yaml: there is no such file" in done.stderr
