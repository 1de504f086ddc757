"""The README is true: its experiment runs as printed, its commands run in order, its make targets exist."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.cli import app
from tests.lab import Lab

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND_S = 300


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> Iterator[str]:
    for block in blocks("sh"):
        yield from (line for line in block.splitlines() if line.strip())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A copy of the project with the README's experiment in it, and no account."""
    lab = Lab.make(tmp_path_factory.mktemp("readme"))
    shutil.copytree(ROOT / "sweeps", lab.folder / "sweeps")
    (example,) = blocks("python")
    lab.add_experiment("penalty", "manager:PenaltyManager", {"manager.py": example})
    yield lab
    lab.close()


def test_the_whole_experiment_is_under_forty_lines():
    (example,) = blocks("python")
    assert len(example.splitlines()) < 40
    assert '`"penalty": "experiments.penalty.manager:PenaltyManager",`' in README


def test_make_targets_exist():
    for command in commands():
        if command.startswith("make "):
            subprocess.run(["make", "--dry-run", *command.split()[1:]], cwd=ROOT, check=True, capture_output=True)


def test_every_verb_is_told():
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"`sashiko {command.callback.__name__}" in README


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_command_runs(project: Lab):
    """In the order of the text, each in a shell of its own, with what the text exports kept."""
    exports = ""
    outputs = {}
    for command in commands():
        if command.startswith("make "):
            continue  # the targets call the commands that run here
        done = subprocess.run(
            ["bash", "-c", f"set -e; {exports}{command}"], cwd=project.folder, env=project.environment,
            capture_output=True, text=True, timeout=COMMAND_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        outputs[command] = done.stdout + done.stderr
        if command.startswith("eval "):
            exports += f"{command}; "
    assert (project.folder / "results" / "stitching.csv").exists()
    assert len(list((project.folder / "results").glob("*.png"))) == 2
    table = outputs["sashiko compare sweeps/penalty.yaml"]
    assert len(re.findall(r"^ *(0\.01|0\.1|1|10) ", table, flags=re.MULTILINE)) == 4, table
    assert "wandb agent local/sashiko/" in outputs["wandb sweep sweeps/stitching.yaml"]
