"""What a shell completes: commands, sweep files, experiments; it waits for nothing heavy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import EXPERIMENTS
from launch import completing
from tests.lab import ROOT
from tests.test_imports import HEAVY

BEGIN = "import sys; sys.argv = ['sashiko']; import sashiko"


def completed(shell: str, line: str, folder: Path, code: str = "sashiko.main()") -> str:
    """What the command answers to the completion function of a shell."""
    words = line.split()
    asked = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - (not line.endswith(" ")))},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    given = os.environ | asked | {"_SASHIKO_COMPLETE": f"complete_{shell}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", f"{BEGIN}; {code}"], cwd=folder, env=given, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "sweeps").mkdir()
    for name in ("mine.yaml", "mine_too.json", "notes.txt"):
        (tmp_path / "sweeps" / name).write_text("")
    return tmp_path


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("line", "wanted", "unwanted"),
    [
        ("sashiko pl", "plan", "status"),
        ("sashiko plan sweeps/mi", "sweeps/mine_too.json", "notes.txt"),
        ("sashiko query --sweep sweeps/mi", "sweeps/mine.yaml", "notes.txt"),
        ("sashiko run st", "stitching", "tabular"),
    ],
)
def test_each_shell_gets_its_words(shell: str, line: str, wanted: str, unwanted: str, project: Path):
    told = completed(shell, line, project)
    assert wanted in told
    assert unwanted not in told


def test_without_a_folder_of_sweeps_it_is_what_sashiko_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert completing.sweep_files("sweeps/tab") == ["sweeps/tabular.yaml"]
    assert completing.sweep_files("other/") == []
    assert completing.experiments("") == list(EXPERIMENTS)


@pytest.mark.parametrize("line", ["sashiko pl", "sashiko sweep sweeps/", "sashiko config "])
def test_nothing_heavy_is_imported_nothing_is_written(line: str, tmp_path: Path):
    code = "import atexit; atexit.register(lambda: print(*sys.modules, sep='\\n')); sashiko.main()"
    assert not set(completed("bash", line, tmp_path, code).splitlines()) & set(HEAVY)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_asks_the_command(shell: str, tmp_path: Path):
    code = f"{BEGIN}; sys.argv.append('--show-completion'); sashiko.main()"
    given = os.environ | {"_SASHIKO_COMPLETE": f"source_{shell}", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=False)
    assert f"_SASHIKO_COMPLETE=complete_{shell}" in done.stdout
