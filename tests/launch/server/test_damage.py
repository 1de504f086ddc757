"""A database that was cut off or overwritten at random places: what it lost is told, and nothing else is lost."""

import contextlib
import os
import random
import re
import shutil
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from framework.errors import TrackerError
from launch import serve
from launch.server import damage, instance, mending, upkeep
from launch.server.storage import Unusable, open_store
from tests.benchmarks.year.make import make
from tests.benchmarks.year.shape import Shape

PAGE = 4096


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    make(folder, Shape(rows=60).times(0.002))
    with contextlib.closing(sqlite3.connect(folder / "server.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / "server.db"


def rows_outside(db: sqlite3.Connection, lost: list[damage.Loss]) -> dict[str, list[object]]:
    """All rows of each table but those that are told to be lost."""
    found = {}
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
        ranges = [item for item in lost if item.table == table]
        key = damage.key_of(db, table)
        spans, start = [], -damage.LAST_KEY
        for item in ranges:
            spans.append((start, item.first - 1))
            start = item.last + 1
        spans.append((start, damage.LAST_KEY))
        rows: list[object] = []
        for first, last in spans:
            if first <= last:
                rows += db.execute(
                    f'SELECT * FROM "{table}" NOT INDEXED WHERE "{key}" BETWEEN ? AND ?', (first, last)
                ).fetchall()
        found[table] = rows
    return found


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("how", ["cut", "overwritten"])
def test_what_is_lost_is_told_and_all_else_is_there(whole: Path, tmp_path: Path, seed: int, how: str) -> None:
    chance = random.Random(f"{how} {seed}")
    body = bytearray(whole.read_bytes())
    pages = len(body) // PAGE
    if how == "cut":
        body = body[: PAGE * chance.randrange(pages // 10, pages) + chance.randrange(PAGE)]
    else:
        place = PAGE * chance.randrange(2, pages)
        body[place : place + PAGE] = chance.randbytes(PAGE)
    copy = tmp_path / "server.db"
    copy.write_bytes(body)
    assert (damage.missing_bytes(copy) > 0) == (how == "cut")
    with damage.opened(copy) as db, contextlib.closing(sqlite3.connect(whole)) as good:
        lost = list(damage.losses(db))
        if lost and lost[0].table == damage.SCHEMA:
            assert str(lost[0]) == "the list of tables: nothing of it can be read"
            return
        assert all(str(item).startswith(f"{item.table}: n") for item in lost)
        assert rows_outside(db, lost) == rows_outside(good, lost)


def test_a_whole_database_has_lost_nothing(whole: Path) -> None:
    assert damage.missing_bytes(whole) == 0
    with damage.opened(whole) as db:
        assert list(damage.losses(db)) == []


def test_a_log_that_holds_the_pages_is_no_damage(whole: Path, tmp_path: Path) -> None:
    """A checkpoint that broke off (a full disk): the header counts pages that are in the log alone."""
    folder, copy = tmp_path / "served", tmp_path / "copy"
    folder.mkdir()
    (folder / "server.db").write_bytes(whole.read_bytes())
    (folder / "blobs").symlink_to(whole.parent / "blobs")
    with contextlib.closing(open_store(folder / "server.db")) as store:
        with store.write() as tables:
            run = tables.runs.add(1, "long", display_name="long", state="finished")
            tables.lines.put(run, "history", 0, [f'{{"_step":{step},"x":"{"y" * 500}"}}' for step in range(500)])
        copy.mkdir()
        for name in ("server.db", "server.db-wal"):
            (copy / name).write_bytes((folder / name).read_bytes())
    (copy / "blobs").symlink_to(whole.parent / "blobs")
    body = bytearray((copy / "server.db").read_bytes())
    body[damage.PAGES_AT : damage.PAGES_AT + 4] = (len(body) // PAGE + 60).to_bytes(4)
    (copy / "server.db").write_bytes(body)
    assert damage.missing_bytes(copy / "server.db") == 0
    assert upkeep.verify(copy).problems == []


def test_what_is_no_database_is_not_called_cut(tmp_path: Path) -> None:
    for body in (b"", b"text", b"\0" * 4096):
        (tmp_path / "server.db").write_bytes(body)
        assert damage.missing_bytes(tmp_path / "server.db") == 0


def page_of(database: Path, name: str, place: int) -> int:
    """Where a page of a table or an index begins, the first, second … of those that hold rows."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        sql = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY pageno"
        return PAGE * (db.execute(sql, (name,)).fetchall()[place][0] - 1)


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A folder of its own, whose files are those of the whole one."""
    shutil.copytree(whole.parent, tmp_path / "folder")
    return tmp_path / "folder"


def overwrite(database: Path, name: str, place: int) -> None:
    body = bytearray(database.read_bytes())
    start = page_of(database, name, place)
    body[start : start + PAGE] = bytes(PAGE)
    database.write_bytes(body)


@pytest.mark.parametrize("index", ["runs_by_project", "aged_by_blob", "runs_failed", "sqlite_autoindex_runs_1"])
def test_an_index_that_is_damaged_is_named_and_no_row_is_lost(folder: Path, index: str) -> None:
    overwrite(folder / "server.db", index, 0)
    told = upkeep.verify(folder).problems
    assert f"server.db: the index {index} cannot be read" in told
    assert not any("not all can be read" in problem for problem in told)
    assert told[-1].startswith("to go on: stop its server, and restore the folder from a backup")
    assert told[-1].endswith("every row of it can be read as it is")


def test_rows_that_are_gone_are_counted_by_table(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "server.db")) as db:
        keys = db.execute("SELECT COUNT(*) FROM history_keys WHERE run_id = 1").fetchone()[0]
        db.execute("DELETE FROM runs WHERE id = 1")
        db.commit()
    told = upkeep.verify(folder).problems
    assert f"server.db: {keys} rows of history_keys name rows of runs that are gone" in told
    assert told[-1].startswith("to go on: stop its server, and restore the folder from a backup")


def test_rows_that_cannot_be_read_are_told_by_the_names_of_their_runs(folder: Path) -> None:
    overwrite(folder / "server.db", "history_keys", 1)
    [lost] = [
        problem for problem in upkeep.verify(folder).problems if problem.startswith("server.db: history_keys")
    ]
    assert re.search(r"of the runs with id \d+( to \d+)? \(\w+/\w+/r\d+", lost)


def test_files_are_told_by_what_they_hold_though_the_database_is_damaged(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "server.db")) as db:
        [gone, cut, wrong] = [
            tuple(row)
            for row in db.execute(
                "SELECT blob, runs.name FROM aged JOIN runs ON runs.id = run_id ORDER BY run_id LIMIT 3"
            )
        ]
    paths = {name: folder / "blobs" / name[:2] / name for name, _ in (gone, cut, wrong)}
    paths[gone[0]].unlink()
    paths[cut[0]].write_bytes(paths[cut[0]].read_bytes()[:-9])
    body = bytearray(paths[wrong[0]].read_bytes())
    body[len(body) // 2] ^= 1
    paths[wrong[0]].write_bytes(body)
    for name in ("", "history_keys", "sqlite_autoindex_runs_1", "runs"):
        if name:
            overwrite(folder / "server.db", name, -1)
        report = upkeep.verify(folder)
        told = "\n".join(report.problems)
        assert re.search(f"history lines 0 to [0-9]+ of run {gone[1]}: its content .{gone[0]}. is missing", told)
        assert re.search(f"history lines 0 to [0-9]+ of run {cut[1]}: [0-9]+ bytes, [0-9]+ were noted", told)
        assert re.search(f"history lines 0 to [0-9]+ of run {wrong[1]}: its content .{wrong[0]}. is damaged", told)
        assert "to go on: copy these files from a backup to where they were, blobs/AB/ABCD…" in told
        assert report.unused == 0 or not name


@pytest.fixture
def cut_free(whole: Path, tmp_path: Path) -> tuple[Path, bytes]:
    """A folder whose database ends within its free pages, and that database before it was cut."""
    folder = tmp_path / "cut"
    folder.mkdir()
    database = folder / "server.db"
    database.write_bytes(whole.read_bytes())
    (folder / "blobs").symlink_to(whole.parent / "blobs")
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("CREATE TABLE gone AS SELECT randomblob(500 * 4096) AS body")
        db.execute("DROP TABLE gone")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        last = db.execute("SELECT MAX(pageno) FROM dbstat").fetchone()[0]
    body = database.read_bytes()
    assert len(body) > (last + 60) * PAGE
    os.truncate(database, len(body) - 20 * PAGE - 100)
    return folder, body


def test_one_that_is_cut_off_within_free_pages_is_written_anew(
    cut_free: tuple[Path, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, before = cut_free
    database, whole = folder / "server.db", tmp_path / "whole.db"
    whole.write_bytes(before)
    left = database.read_bytes()
    with pytest.raises(Unusable, match=r"is cut off: .* what is lost, `sashiko serve --dir .* verify` says"):
        open_store(database)
    report = upkeep.verify(folder)
    assert len(report.problems) == 2
    assert report.problems[0].startswith("server.db is cut off: ")
    assert report.problems[1] == (
        f"to go on: stop its server, and `sashiko serve --dir {folder} compact`, which writes it anew;"
        " no row is lost"
    )
    with instance.only_one(folder):
        refused = CliRunner().invoke(serve.app, ["--dir", str(folder), "compact"]).exception
        assert isinstance(refused, TrackerError)
        assert "is served, and its database is cut off, and is to be written anew: stop the server" in str(refused)
        assert database.read_bytes() == left
    done = CliRunner().invoke(serve.app, ["--dir", str(folder), "compact"])
    assert done.exit_code == 0, done.exception
    assert "was cut off, and was written anew: no row is lost" in done.output
    assert (folder / "server.db.cut").read_bytes() == left
    assert upkeep.verify(folder).problems == []
    with contextlib.closing(sqlite3.connect(database)) as db, contextlib.closing(sqlite3.connect(whole)) as good:
        assert rows_outside(db, []) == rows_outside(good, [])
        for pragma in ("user_version", "auto_vacuum", "integrity_check"):
            assert db.execute(f"PRAGMA {pragma}").fetchall() == good.execute(f"PRAGMA {pragma}").fetchall()
    open_store(database).close()


def test_one_that_has_lost_rows_is_not(whole: Path, tmp_path: Path) -> None:
    database = tmp_path / "server.db"
    database.write_bytes(whole.read_bytes()[: -40 * PAGE])
    assert not mending.lost_nothing(database)
    before = database.read_bytes()
    refused = CliRunner().invoke(serve.app, ["--dir", str(tmp_path), "compact"]).exception
    assert isinstance(refused, Unusable)
    assert database.read_bytes() == before


def test_without_room_nothing_is_changed(cut_free: tuple[Path, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = cut_free
    before = {path.name: path.read_bytes() for path in folder.glob("server*")}
    monkeypatch.setattr(
        mending, "sync", lambda path: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    refused = CliRunner().invoke(serve.app, ["--dir", str(folder), "compact"]).exception
    assert isinstance(refused, Unusable)
    assert "no space left on device" in str(refused)
    assert {path.name: path.read_bytes() for path in folder.glob("server*")} == before
