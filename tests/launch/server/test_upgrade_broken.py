"""An upgrade that is killed or finds no room leaves the old database or the new one; the next start goes on."""

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from launch import serve
from launch.server import upkeep
from launch.server.storage import SCHEMA, SchemaError, Unusable, keeping, open_store
from launch.server.storage.store import latest_of
from tests.launch.server.test_full_disk import small
from tests.launch.server.test_upgrades import NAMES, lay_out
from tests.launch.server.test_upgrades import content as content_of

__all__ = ["small"]

LATEST = latest_of(SCHEMA)
BEFORE = f"before-schema-{LATEST}"
OPEN = "import sys; from pathlib import Path; from launch.server.storage import open_store\n"
AT_EACH_STEP = f"""{OPEN}
import os, shutil, signal
from launch.server.storage import keeping, migrating

folder, untouched = Path(sys.argv[1]), Path(sys.argv[2])
statements, copy, replace = migrating._statements, keeping._copy, Path.replace


def killed(moment: int) -> bool:
    "Whether an upgrade of a fresh copy of the folder was killed at this moment, counted through."
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(untouched, folder)
    if not (child := os.fork()):
        passed = 0

        def now(*given: object) -> None:
            nonlocal passed
            passed += 1
            if passed == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        def each(script: str):
            for statement in statements(script):
                now()
                yield statement

        def copied(path: Path, fresh: Path, copying: object) -> None:
            now()
            copy(path, fresh, copying)
            now()

        def replaced(path: Path, target: Path) -> None:
            now()
            replace(path, target)
            now()

        migrating._statements, keeping._copy, Path.replace = each, copied, replaced
        open_store(folder / "server.db").close()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


moment = 1
while killed(moment):
    print(moment, flush=True)
    sys.stdin.readline()
    moment += 1
"""


def content(path: Path) -> list[str]:
    """What is in a database; the moment at which a migration added the owner is not the same twice."""
    return [re.sub(r"(VALUES\(1,'local'),.*", r"\1)", line) for line in content_of(path)]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder of the first version."""
    folder = tmp_path / "old"
    folder.mkdir()
    lay_out("1", folder)
    return folder


def upgraded(folder: Path, tmp_path: Path) -> list[str]:
    """What an upgrade that nobody disturbs makes of a folder."""
    twin = tmp_path / "twin"
    shutil.copytree(folder, twin)
    open_store(twin / "server.db").close()
    return content(twin / "server.db")


def looked_at(folder: Path, aside: Path) -> list[str]:
    """What is in a database that a killed process left, read in a copy, so that the log is as it was left."""
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    for path in folder.glob("server.db*"):
        shutil.copy(path, aside / path.name)
    return content(aside / "server.db")


def test_killed_at_each_step(old: Path, tmp_path: Path) -> None:
    before, after = content(old / "server.db"), upgraded(old, tmp_path)
    folder, kept = tmp_path / "killed", tmp_path / "killed" / BEFORE / "server.db"
    process = subprocess.Popen(
        [sys.executable, "-c", AT_EACH_STEP, str(folder), str(old)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    moments = 0
    for _ in process.stdout:
        moments += 1
        assert looked_at(folder, tmp_path / "aside") == before
        if moments > 4:
            assert content(kept) == before
        if moments % 5 == 0 or moments < 6:
            open_store(folder / "server.db").close()
            assert content(folder / "server.db") == after
            assert content(kept) == before
            assert [path.name for path in kept.parent.iterdir()] == ["server.db"]
        process.stdin.write("\n")
        process.stdin.flush()
    process.communicate()
    assert process.returncode == 0
    assert moments > 30  # each statement of each step is one


@pytest.mark.slow
def test_killed_at_random_moments(old: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(old / "server.db")) as db:
        run = db.execute("SELECT MAX(id) FROM runs").fetchone()[0]
        rows = ((run, number, number, f'{{"_step":{number},"loss":0.5}}') for number in range(1000, 31_000))
        db.executemany("INSERT INTO lines VALUES (?, 'history', ?, ?, ?)", rows)
        db.commit()
    before, after = content(old / "server.db"), upgraded(old, tmp_path)
    draw, folder = random.Random(5), tmp_path / "killed"
    command = [sys.executable, "-c", f"{OPEN}\nprint(flush=True)\nopen_store(Path(sys.argv[1])).close()"]
    outcomes = set()
    for _ in range(10):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(old, folder)
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(
            [*command, str(folder / "server.db")], stdout=subprocess.PIPE, stderr=quiet, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(draw.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        left = looked_at(folder, tmp_path / "aside")
        assert left in (before, after)
        outcomes.add(left == after)
        open_store(folder / "server.db").close()
        assert content(folder / "server.db") == after
        if (kept := folder / BEFORE / "server.db").exists():
            assert content(kept) == before
    assert False in outcomes


def test_without_room_nothing_is_begun(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(old / "server.db")
    size = (old / "server.db").stat().st_size
    usage = shutil.disk_usage(old)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=2 * size + keeping.SPARE - 1))
    with pytest.raises(Unusable, match="for which 5 MB must be free on its disk, and 5 MB are: make") as told:
        open_store(old / "server.db")
    assert "\n" not in str(told.value)
    assert content(old / "server.db") == before
    assert not (old / BEFORE).exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=2 * size + keeping.SPARE))
    open_store(old / "server.db").close()


def test_the_copy_of_an_earlier_try_is_room(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes once the new one is there."""
    size = (old / "server.db").stat().st_size
    keeping.keep(old / "server.db", LATEST)
    usage = shutil.disk_usage(old)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=size + keeping.SPARE - 1))
    with pytest.raises(Unusable, match="and 4 MB are: make room"):
        open_store(old / "server.db")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=size + keeping.SPARE))
    open_store(old / "server.db").close()


@pytest.mark.parametrize("room", [10_000, 60_000, 200_000, 330_000])
def test_a_disk_that_fills_meanwhile(
    small: Path, old: Path, room: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other things are written to the disk after the look at it: the copy or the migration finds no room."""
    folder = small / "state"
    shutil.copytree(old, folder)
    before = content(folder / "server.db")
    monkeypatch.setattr(keeping, "must_have_room", lambda *given: None)
    ballast = small / "ballast"
    free = shutil.disk_usage(small).free
    ballast.write_bytes(b"\0" * max(free - room, 0))
    with pytest.raises(Unusable, match=r"full|no space left") as told:
        open_store(folder / "server.db")
    assert "\n" not in str(told.value)
    assert capsys.readouterr().err == ""  # nothing has been brought anywhere
    ballast.unlink()
    assert content(folder / "server.db") == before
    open_store(folder / "server.db").close()
    assert "is brought from schema 1 to " in capsys.readouterr().err
    assert content(folder / BEFORE / "server.db") == before


# --- a database of a newer version -----------------------------------------------------------------------------


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=["folded", "in the log", "as a backup"])
def newer(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "newer"
    folder.mkdir()
    database = lay_out(NAMES[-1], folder)
    open_store(database).close()
    db = sqlite3.connect(database)
    if request.param == "as a backup":
        db.execute("PRAGMA journal_mode = DELETE")
    db.execute(f"PRAGMA user_version = {LATEST + 1}")
    db.commit()
    if request.param == "in the log":
        aside = tmp_path / "aside"
        shutil.copytree(folder, aside)
        db.close()
        shutil.rmtree(folder)
        aside.rename(folder)
        (folder / "server.db-shm").unlink()
    db.close()
    return folder


def test_a_newer_database_is_refused_and_not_touched(newer: Path, tmp_path: Path) -> None:
    old_file = newer / "exports" / "old.parquet"
    old_file.parent.mkdir(exist_ok=True)
    old_file.write_bytes(b"made anew when somebody asks")
    os.utime(old_file, (1e9, 1e9))
    before = snapshot(newer)
    ways = (
        lambda: open_store(newer / "server.db"),
        lambda: upkeep.backup(newer, tmp_path / "copy"),
        lambda: upkeep.verify(newer),
        lambda: upkeep.prune(newer),
    )
    for way in ways:
        with pytest.raises(
            SchemaError, match=f"has schema {LATEST + 1}, newer than the {LATEST} .* update Sashiko"
        ):
            way()
    words = (
        ["user", "list"],
        ["user", "add", "north"],
        ["usage"],
        ["quota", "local", "--runs", "1"],
        ["--port", "0"],
    )
    for command in words:
        error = CliRunner().invoke(serve.app, ["--dir", str(newer), *command]).exception
        assert isinstance(error, SchemaError), (command, error)
    unchanged = {name: data for name, data in snapshot(newer).items() if name in before and "-shm" not in name}
    assert unchanged == before
    assert not (tmp_path / "copy").exists()


def test_an_older_one_is_only_looked_at_once_it_is_up_to_date(old: Path, tmp_path: Path) -> None:
    before = content(old / "server.db")
    for way in (lambda: upkeep.backup(old, tmp_path / "copy"), lambda: upkeep.verify(old)):
        with pytest.raises(SchemaError, match=f"has schema 1, older than the {LATEST} .* start it once with"):
            way()
    assert content(old / "server.db") == before
    assert not (tmp_path / "copy").exists()
