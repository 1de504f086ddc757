"""The check of all interpreters: what it takes, what it finds, and that it says what was not tested."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.package import __main__ as package
from tests.package import building, interpreters


def test_the_classifiers_and_the_lowest_version_are_one():
    versions = interpreters.versions()
    assert versions == ["3.11", "3.12", "3.13"]
    assert interpreters.settings()["options"]["python_requires"] == f">={versions[0]}"


def test_all_that_is_required_but_torch_is_installed():
    found = {interpreters.name_of(line) for line in interpreters.requirements()}
    assert {"pydantic", "wandb", "uvloop", "starlette", "pandas"} <= found
    assert not interpreters.WITHOUT & found
    lines = interpreters.settings()["options"]["install_requires"].split()
    assert {interpreters.name_of(line) for line in lines} >= interpreters.WITHOUT, "something of these is gone"


def test_an_interpreter_is_what_runs_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(interpreters, "PLACES", ())
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("PATH", str(tmp_path))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shim = tmp_path / f"python{version}"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    assert interpreters.find(version) is None
    place = tmp_path / "pyenv" / "versions" / f"{version}.99" / "bin"
    place.mkdir(parents=True)
    (place / "python").symlink_to(sys.executable)
    assert interpreters.find(version) == place / "python"
    assert interpreters.find("3.99") is None


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wheel is built, and nothing is installed or run."""
    monkeypatch.setattr(building, "copy", lambda folder: folder)
    monkeypatch.setattr(building, "build", lambda tree, to: building.Built(tree, tree))
    monkeypatch.setattr(interpreters, "find", lambda version: Path(sys.executable))
    monkeypatch.setattr(package, "_run", lambda words, given, timeout_s=0: None)


@pytest.mark.usefixtures("no_wheel")
def test_a_pair_that_passes_is_told(capsys: pytest.CaptureFixture[str]):
    assert package.main(["--python", "3.12"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [
        "passed  Python 3.12 with the newest libraries", "passed  Python 3.12 with the oldest libraries",
    ]  # fmt: skip


@pytest.mark.usefixtures("no_wheel")
def test_without_an_interpreter_it_is_said_and_nothing_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(interpreters, "find", lambda version: None)
    monkeypatch.setattr(interpreters, "fetch", lambda version, folder: None)
    assert package.main(["--libraries", "newest"]) == 0
    told = capsys.readouterr().out
    assert told.count("NOT TESTED") == len(interpreters.versions())
    assert "Python 3.13 with the newest libraries: no such interpreter is here, and uv cannot fetch one" in told


@pytest.mark.usefixtures("no_wheel")
@pytest.mark.parametrize(
    ("said", "code", "told"),
    [
        (
            "error: Failed to fetch: `https://…`\n  cause: dns error\n",
            0,
            "NOT TESTED  Python 3.11 with the oldest",
        ),
        ("No solution found when resolving dependencies\n", 1, "FAILED  Python 3.11 with the oldest"),
    ],
)
def test_without_an_index_it_is_said_and_what_cannot_be_resolved_fails(
    said: str, code: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def run(words: list[str], given: dict[str, str], timeout_s: float = 0) -> None:
        if "--requirement" in words:
            raise subprocess.CalledProcessError(1, words, "", said)

    monkeypatch.setattr(package, "_run", run)
    assert package.main(["--python", "3.11", "--libraries", "oldest"]) == code
    assert told in capsys.readouterr().out
