"""Copies from before upgrades go once they are a month old and the folder was verified since; not before."""

import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from launch import serve
from launch.server import copies, upkeep
from launch.server.storage import open_store
from tests.launch.server.test_upgrade_broken import BEFORE, old

__all__ = ["old"]

DAY = 86_400.0


@pytest.fixture
def upgraded(old: Path) -> Path:
    open_store(old / "server.db").close()
    return old


def age(path: Path, days: float) -> None:
    moment = time.time() - days * DAY
    os.utime(path, (moment, moment))


def said(folder: Path, *words: str) -> list[str]:
    done = CliRunner().invoke(serve.app, ["--dir", str(folder), *words])
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("made", "verified", "goes"),
    [(31, 30, True), (31, 31.5, False), (31, None, False), (29, 1, False), (31, -400, False), (-400, 1, False)],
)
def test_when_it_goes(upgraded: Path, made: float, verified: float | None, goes: bool) -> None:
    age(upgraded / BEFORE / "server.db", made)
    if verified is not None:
        copies.note_verified(upgraded, time.time() - verified * DAY)
    gone = copies.prune(upgraded)
    assert [copy.name for copy in gone] == ([BEFORE] if goes else [])
    assert (upgraded / BEFORE).exists() != goes
    assert (copies.listed(upgraded) == []) == goes


def test_it_is_told_from_the_upgrade_to_its_end(upgraded: Path) -> None:
    size = (upgraded / BEFORE / "server.db").stat().st_size
    what = f"{BEFORE} ({size / 1e6:,.1f} MB), the database from before an upgrade"
    age(upgraded / BEFORE / "server.db", 40)
    assert said(upgraded, "prune") == [
        "deleted 0 files (0.0 MB)",
        f"kept {what} 40 days ago: it goes with `prune` once `verify` has found nothing wrong, for the first time"
        " since then",
    ]
    assert f"{what} 40 days ago: `prune` deletes it" in said(upgraded, "verify")
    assert said(upgraded, "prune") == ["deleted 0 files (0.0 MB)", f"deleted {what} 40 days ago"]
    assert said(upgraded, "prune") == ["deleted 0 files (0.0 MB)"]


def test_a_folder_in_which_something_is_wrong_is_not_verified(upgraded: Path) -> None:
    age(upgraded / BEFORE / "server.db", 40)
    blob = next((upgraded / "blobs").glob("??/*"))
    blob.write_bytes(b"something else")
    report = upkeep.verify(upgraded)
    assert report.problems
    assert [copy.stays is None for copy in report.copies] == [False]
    assert not (upgraded / copies.VERIFIED).exists()


def test_several_are_told_in_order_and_each_goes_when_it_may(upgraded: Path) -> None:
    for schema in (10, 4):
        folder = upgraded / f"before-schema-{schema}"
        folder.mkdir()
        (folder / "server.db").write_bytes(b"x" * schema)
    age(upgraded / "before-schema-4" / "server.db", 100)
    age(upgraded / BEFORE / "server.db", 50)
    copies.note_verified(upgraded, time.time() - 60 * DAY)
    names = [copy.name for copy in copies.listed(upgraded)]
    assert names == ["before-schema-4", BEFORE, "before-schema-10"]
    assert [copy.name for copy in copies.prune(upgraded)] == ["before-schema-4"]
    assert [copy.name for copy in copies.listed(upgraded)] == [BEFORE, "before-schema-10"]


def test_half_a_copy_goes_after_a_day_and_is_no_copy(tmp_path: Path) -> None:
    open_store(tmp_path / "server.db").close()
    for name, days in (("before-schema-5", 0.5), ("before-schema-6", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "server.db.new").write_bytes(b"half")
        (tmp_path / name / "server.db.new-journal").write_bytes(b"half")
        for path in (tmp_path / name).iterdir():
            age(path, days)
    assert copies.listed(tmp_path) == []
    assert copies.prune(tmp_path) == []
    assert not (tmp_path / "before-schema-6").exists()
    assert (tmp_path / "before-schema-5" / "server.db.new").exists()


def test_a_folder_that_cannot_be_written_is_verified_all_the_same(upgraded: Path) -> None:
    (upgraded / copies.VERIFIED).mkdir()  # as root everything can be written but a folder as a file
    copies.note_verified(upgraded / "nowhere", time.time())
    assert upkeep.verify(upgraded).problems == []
