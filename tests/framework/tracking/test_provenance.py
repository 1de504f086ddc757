"""Provenance: complete, readable, with its nulls, found out once."""

import subprocess
from pathlib import Path

import pytest

from framework import config
from framework.tracking import lock, packed, provenance


def test_every_seed_of_a_config_is_found():
    config = {"source": {"seed": 0, "model": {"kind": "mlp"}}, "sampling_seed": 7, "seeds": [1, 2], "speed": 3}
    assert provenance.seeds_of(config) == {"source.seed": 0, "sampling_seed": 7, "seeds": [1, 2]}


def test_the_environment_holds_every_package_and_is_found_out_once(tmp_path: Path):
    environment = provenance.of_process()
    assert environment is provenance.of_process()
    assert {"torch", "pydantic", "pytest", "pip"} <= set(environment.packages)
    assert environment.record["device"]["cores"] >= 1
    environment.write(tmp_path)
    lines = (tmp_path / provenance.PACKAGES_FILE).read_text().splitlines()
    assert f"torch=={environment.packages['torch']}" in lines
    assert len(lines) == len(environment.packages)
    for other in ({"patch": b"another"}, {"packages": {}}, {"record": {"git": {"commit": "another"}}}):
        assert environment._replace(**other).name != environment.name
    elsewhere = {**environment.record, "host": "elsewhere", "command": []}
    assert environment._replace(record=elsewhere).name == environment.name


def test_the_environment_holds_the_code_and_the_lock_where_one_is_known(tmp_path: Path):
    environment = provenance.of_process()._replace(locked="lock-version = '1.0'\n")
    environment.write(tmp_path)
    assert (tmp_path / lock.FILE).read_text() == environment.locked
    place = packed.unpack(tmp_path / packed.FILE, tmp_path / "code")
    assert (place / "framework" / "config.py").read_bytes() == Path(config.__file__).read_bytes()
    environment._replace(locked=None).write(tmp_path / "unlocked")
    assert not (tmp_path / "unlocked" / lock.FILE).exists()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init")
    (tmp_path / "a.py").write_text("a = 1\n")
    (tmp_path / "data.bin").write_bytes(bytes(range(256)))
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    return tmp_path


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_git_state_tells_commit_and_difference(repository: Path, tmp_path_factory: pytest.TempPathFactory):
    assert provenance.git_state(tmp_path_factory.mktemp("none")) == ({}, b"")
    state, patch = provenance.git_state(repository)
    assert (len(state["commit"]), state["dirty"], patch) == (40, False, b"")


def test_the_patch_makes_of_the_commit_what_was_there(repository: Path, tmp_path_factory: pytest.TempPathFactory):
    (repository / "a.py").write_text("a = 2\n")
    (repository / "data.bin").write_bytes(bytes(reversed(range(256))))
    (repository / "package").mkdir()
    (repository / "package" / "new file.py").write_text("b = 'ä'\n")
    (repository / "notes.txt").write_text("no source")
    state, patch = provenance.git_state(repository / "package")
    assert state["dirty"]
    assert state["patch_bytes"] == len(patch)
    again = tmp_path_factory.mktemp("again")
    git(again, "clone", str(repository), "copy")
    (again / "patch").write_bytes(patch)
    git(again / "copy", "apply", str(again / "patch"))
    for file in ("a.py", "data.bin", "package/new file.py"):
        assert (again / "copy" / file).read_bytes() == (repository / file).read_bytes(), file
    assert not (again / "copy" / "notes.txt").exists()


def test_a_repository_around_an_environment_is_not_that_of_the_code(
    repository: Path, monkeypatch: pytest.MonkeyPatch
):
    """A package that is installed in a `.venv` within the user's own repository."""
    commit = provenance.git_state(repository)[0]["commit"]
    place = repository / ".venv" / "experiments"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text("EXPERIMENTS = {}\n")
    monkeypatch.setattr(provenance, "home", lambda: place)
    assert provenance._code()[0].get("commit") != commit
    git(repository, "add", "--force", ".venv")
    state, patch = provenance._code()
    assert state["commit"] == commit
    assert b".venv/experiments/__init__.py" in patch


def test_a_difference_beyond_all_measure_is_left_out_and_said_to_be(
    repository: Path, monkeypatch: pytest.MonkeyPatch
):
    (repository / "a.py").write_text("a = 2\n" * 100)
    monkeypatch.setattr(provenance, "LARGEST_PATCH", 100)
    state, patch = provenance.git_state(repository)
    assert patch == b""
    assert state["patch_bytes"] > 100
