"""`sashiko --version`: the version, and the commit where the code is that of a git tree."""

import re
import subprocess
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from framework.tracking import frozen
from launch.cli import app
from launch.version import told


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree in no repository."""
    (tmp_path / "launch").mkdir()
    (tmp_path / "launch" / "cli.py").write_text("x = 1\n")
    (tmp_path / "setup.cfg").write_text("[metadata]\nname = sashiko\nversion = 7.8.9\n")
    return tmp_path


def test_the_command_tells_one_line():
    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == 0
    assert re.fullmatch(r"sashiko \d+\.\d+\.\d+( \(commit [0-9a-f]{12}(, changed)?\))?\n", done.stdout)


def test_outside_a_repository_it_is_the_version_alone(tree: Path):
    assert told(tree / "launch") == "sashiko 7.8.9"


def test_in_a_repository_it_is_also_the_commit_and_whether_the_tree_differs(tree: Path):
    git(tree, "init")
    git(tree, "add", ".")
    git(tree, "commit", "-m", "first")
    commit = git(tree, "rev-parse", "HEAD")[:12]
    assert told(tree / "launch") == f"sashiko 7.8.9 (commit {commit})"
    (tree / "launch" / "cli.py").write_text("x = 2\n")
    assert told(tree / "launch") == f"sashiko 7.8.9 (commit {commit}, changed)"


def test_a_repository_around_an_environment_is_not_that_of_the_code(tree: Path):
    git(tree, "init")
    (tree / "setup.cfg").write_text("[metadata]\nname = mine\nversion = 3\n")
    git(tree, "add", "setup.cfg")
    git(tree, "commit", "-m", "mine")
    assert told(tree / "launch") == f"sashiko {metadata.version('sashiko')}"


def test_frozen_code_tells_what_it_was_frozen_of(tree: Path):
    frozen.Record(tree.name, "/elsewhere", {"commit": "0123456789abcdef", "dirty": True}, b"", "seal").write(tree)
    try:
        assert told(tree / "launch") == "sashiko 7.8.9 (commit 0123456789ab, changed)"
    finally:
        frozen.beside(tree).unlink()
