"""The lock of an environment: PEP 751, with the digest of every package; found by what is installed."""

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.pylock import Pylock

from framework.errors import CodeError
from framework.tracking import lock

INDEX = """
lock-version = "1.0"
created-by = "an index"

[[packages]]
name = "pydantic"
version = "2.0"
[[packages.wheels]]
name = "pydantic-2.0-py3-none-any.whl"
url = "file:///p/pydantic-2.0-py3-none-any.whl"
hashes = { sha256 = "00ff" }
"""


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    monkeypatch.setenv("SASHIKO_CACHE", str(tmp_path / "cache"))


def answer(monkeypatch: pytest.MonkeyPatch, text: str = INDEX, code: int = 0, said: str = "") -> list[list[str]]:
    """Have uv or pip answer so; the commands that were asked for, with what they were to lock."""
    asked = []

    def run(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        flag = "--output-file" if "--output-file" in command else "--output"
        if code == 0:
            Path(command[command.index(flag) + 1]).write_text(text)
        asked.append([*command, Path(command[-1]).read_text()])
        return subprocess.CompletedProcess(command, code, "", said)

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def versions() -> dict[str, str]:
    return {name: one.version for name, one in lock.installed().items()}


def test_it_is_a_lock_as_the_standard_has_it_with_the_digest_of_each_list_of_files(
    monkeypatch: pytest.MonkeyPatch,
):
    assert lock.known(versions()) is None
    asked = answer(monkeypatch)
    path = lock.make()
    assert path.parent == Path(sys.prefix) / lock.FOLDER
    text = lock.known(versions())
    assert text == path.read_text()
    parsed = Pylock.from_dict(tomllib.loads(text))
    parsed.validate()
    (package,) = parsed.packages
    assert package.tool == {"sashiko": {"record": lock.record_of(metadata.distribution("pydantic"))}}
    wanted = asked[0][-1].splitlines()
    assert f"torch=={metadata.version('torch')}" in wanted
    assert not any(line.startswith("sashiko==") for line in wanted)
    assert "sashiko" in parsed.tool["sashiko"]["not_locked"]  # type: ignore[index]


def test_another_version_of_anything_has_another_lock(monkeypatch: pytest.MonkeyPatch):
    answer(monkeypatch)
    lock.make()
    assert lock.known({**versions(), "torch": "0.1"}) is None
    assert lock.known({**versions(), "sashiko": "99"}) is not None  # our own code is recorded elsewhere


def test_where_the_environment_cannot_be_written_the_cache_keeps_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "environment").write_text("a file, no folder")
    answer(monkeypatch)
    assert lock.make().is_relative_to(tmp_path / "cache")
    assert lock.known(versions()) is not None


def test_an_index_that_does_not_answer_is_told_with_what_was_said(monkeypatch: pytest.MonkeyPatch):
    answer(monkeypatch, code=1, said="no route to host")
    with pytest.raises(CodeError, match="takes a package index that answers:\n  no route to host"):
        lock.make()
    assert lock.known(versions()) is None


def test_the_digest_of_a_package_is_of_its_own_files_alone(tmp_path: Path):
    def distribution(lines: str) -> metadata.Distribution:
        folder = tmp_path / str(len(list(tmp_path.iterdir()))) / "a-1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text("Name: a\nVersion: 1.0\n")
        (folder / "RECORD").write_text(lines)
        return metadata.PathDistribution(folder)

    first = lock.record_of(distribution("a/x.py,sha256=1,5\na-1.0.dist-info/INSTALLER,,\n"))
    by_another = "../../bin/a,sha256=9,1\na/x.py,sha256=1,5\na/x.cpython-311.pyc,,\na-1.0.dist-info/uv.json,,\n"
    assert lock.record_of(distribution(by_another)) == first
    assert lock.record_of(distribution("a/x.py,sha256=2,5\n")) != first


def test_names_are_normalised():
    assert lock.normalised("Typing_Extensions.x") == "typing-extensions-x"


def test_an_installer_trusts_what_this_machine_trusts_unless_it_is_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("UV_SYSTEM_CERTS", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "file:///index")
    assert lock.surroundings()["UV_SYSTEM_CERTS"] == "1"
    assert lock.surroundings()["PIP_INDEX_URL"] == "file:///index"
    monkeypatch.setenv("UV_SYSTEM_CERTS", "0")
    assert lock.surroundings()["UV_SYSTEM_CERTS"] == "0"
