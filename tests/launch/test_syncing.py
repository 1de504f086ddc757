"""The data folder at another place: the same by rsync and without, only what has changed, nothing deleted."""

import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from framework.errors import ConfigError
from launch import syncing
from launch.cli import app
from launch.syncing import SyncError, synced

WAYS = ["copy", pytest.param("rsync", marks=pytest.mark.skipif(not shutil.which("rsync"), reason="no rsync here"))]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for name, text in {"datasets/a.bin": "aa", "experiments/x/b.csv": "b,c", "experiments/x/ü ä.txt": "u"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "datasets" / "link").symlink_to("a.bin")
    (tmp_path / "p.tar.zst").write_bytes(b"archive")
    return folder


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "copy":
        monkeypatch.setattr(syncing.shutil, "which", lambda name: None)
    return str(request.param)


def names(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_only_what_has_changed_is_copied(data: Path, tmp_path: Path, way: str):
    there = str(tmp_path / "there")
    archives = [tmp_path / "p.tar.zst"]
    planned = synced(data, archives, there, dry=True, delete=False)
    assert (planned.by, len(planned.copied), (tmp_path / "there").exists()) == (way, 5, False)
    done = synced(data, archives, there, dry=False, delete=False)
    assert sorted(done.copied) == [
        "archives/p.tar.zst", "data/datasets/a.bin", "data/datasets/link", "data/experiments/x/b.csv",
        "data/experiments/x/ü ä.txt",
    ]  # fmt: skip
    assert names(tmp_path / "there" / "data") == names(data)
    assert (tmp_path / "there/data/datasets/link").is_symlink()
    assert (tmp_path / "there/archives/p.tar.zst").read_bytes() == b"archive"
    assert synced(data, archives, there, dry=False, delete=False).copied == []
    (data / "datasets/a.bin").write_text("changed")
    (tmp_path / "there/data/more.txt").write_text("theirs")
    done = synced(data, archives, there, dry=False, delete=False)
    assert done.copied == ["data/datasets/a.bin"]
    assert names(tmp_path / "there" / "data") == names(data) | {"more.txt": "theirs"}
    assert synced(data, archives, there, dry=True, delete=True).deleted == ["data/more.txt"]
    assert (tmp_path / "there/data/more.txt").exists()
    assert synced(data, archives, there, dry=False, delete=True).deleted == ["data/more.txt"]
    assert names(tmp_path / "there" / "data") == names(data)


def test_a_file_that_was_only_touched_is_not_copied(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(syncing.shutil, "which", lambda name: None)
    there = str(tmp_path / "there")
    synced(data, [], there, dry=False, delete=False)
    os.utime(data / "datasets/a.bin", (1, 1))
    assert synced(data, [], there, dry=False, delete=False).copied == []


def test_what_cannot_be(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(syncing.shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="is on another machine: install rsync"):
        synced(data, [], "host:folder", dry=False, delete=False)
    with pytest.raises(ConfigError, match="is within the data folder"):
        synced(data, [], str(data / "copy"), dry=False, delete=False)
    with pytest.raises(ConfigError, match=r"the data folder .* is not there(.|\n)*there is no file"):
        synced(tmp_path / "none", [tmp_path / "none.tar.zst"], "there", dry=False, delete=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(SyncError, match="cannot be written, and the same command goes on: Not a directory"):
        synced(data, [], str(tmp_path / "file"), dry=False, delete=False)


def test_the_command(data: Path, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SASHIKO_DATA", str(data))
    done = CliRunner().invoke(app, ["sync", str(tmp_path / "there"), "--json"])
    assert (done.exit_code, json.loads(done.stdout)["by"]) == (0, way)
    assert "0 files copied, by" in CliRunner().invoke(app, ["sync", str(tmp_path / "there")]).stdout


def test_a_data_folder_that_was_moved_is_the_same(data: Path, tmp_path: Path, way: str):
    synced(data, [], str(tmp_path / "there"), dry=False, delete=False)
    before = names(data)
    shutil.move(data, tmp_path / "moved")
    assert names(tmp_path / "moved") == before
    done = synced(tmp_path / "moved", [], str(tmp_path / "there"), dry=False, delete=True)
    assert (done.copied, done.deleted) == ([], [])
