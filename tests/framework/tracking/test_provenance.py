"""Provenance files: complete, readable TOML, without nulls."""

import subprocess
import tomllib
from pathlib import Path

from framework.tracking import provenance


def test_a_provenance_file_says_how_to_do_it_again(tmp_path: Path):
    path = tmp_path / "provenance.toml"
    provenance.write(path, config={"a": 1, "b": None, "c": [1, {"d": "x"}]}, inputs={"model-1": "abc"}, run="r")
    record = tomllib.loads(path.read_text())
    assert record["config"] == {"a": 1, "c": [1, {"d": "x"}]}
    assert record["inputs"] == {"model-1": "abc"}
    assert record["run"] == "r"
    assert record["created"].tzinfo is not None
    for key in ("command", "python", "platform", "host", "packages"):
        assert record[key]
    assert "torch" in record["packages"]


def test_git_state_tells_commit_and_dirt(tmp_path: Path):
    assert provenance.git_state(tmp_path) == {}

    def git(*words: str) -> None:
        identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "first")
    clean = provenance.git_state(tmp_path)
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "a").write_text("2")
    assert provenance.git_state(tmp_path)["dirty"] is True
