"""sashiko serve age, compact, retain and backup from the command line, also while they are killed."""

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from framework.errors import TrackerError
from launch import serve
from launch.server import upkeep
from launch.server.storage import lines, open_store
from tests.lab import Lab, own_port
from tests.launch.test_serve import told

pytestmark = pytest.mark.slow
RUNS, ROWS, KILLS = 40, 1_500, 8
OLD = time.time() - 30 * 86_400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with old runs: history, console and one that is too short to age."""
    path = tmp_path / "state"
    path.mkdir()
    with contextlib.closing(open_store(path / "server.db")) as store:
        for index in range(RUNS):
            with store.write() as tables:
                project = tables.projects.make("p", 1)[0]["id"]
                run = tables.runs.add(project, f"r{index}", display_name="r", state="finished", heartbeat_at=OLD)
                chance = random.Random(index)
                rows = [json.dumps({"_step": step, "loss": chance.random()}) for step in range(ROWS)]
                tables.usage.add_rows(run, tables.lines.put(run, lines.HISTORY, 0, rows[: ROWS if index else 9]))
                tables.lines.put(run, lines.CONSOLE, 0, [f"line {n} {chance.random()}\n" for n in range(200)])
    return path


def digest(folder: Path) -> str:
    """All that is told of all histories and consoles, whatever the order of keys."""
    told = hashlib.sha256()
    with contextlib.closing(open_store(folder / "server.db")) as store, store.read() as tables:
        for (run,) in tables.runs._db.execute("SELECT id FROM runs ORDER BY id").fetchall():
            for stream in (lines.HISTORY, lines.CONSOLE):
                for line in tables.lines.page(run, stream, lines.FIRST, -1):
                    text = line.text
                    value = json.dumps(json.loads(text), sort_keys=True) if stream == lines.HISTORY else text
                    told.update(f"{run} {stream} {line.line} {line.step} {value}".encode())
    return told.hexdigest()


def kill_at_random(command: Sequence[str], seed: int) -> bool:
    """Start a command and kill it somewhere between its first look at the folder and its end; whether it lived."""
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen(
        [sys.executable, "-m", "launch.cli", *command],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        process.wait(timeout=0.4 + 1.2 * random.Random(seed).random())
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False
    return True


@contextlib.contextmanager
def served(lab: Lab, folder: Path) -> Iterator[None]:
    server = lab.start("launch.cli", "serve", "--dir", str(folder), "--port", str(own_port()))
    try:
        assert "serving" in (server.stdout.readline() if server.stdout else "")
        yield
    finally:
        server.terminate()
        server.communicate(timeout=30)


def test_rows_age_while_a_server_runs_and_come_back(lab: Lab, folder: Path) -> None:
    before, size = digest(folder), (folder / "server.db").stat().st_size
    lab.environment["SASHIKO_AGE_DAYS"] = "never"  # the server leaves it to the command
    with served(lab, folder):
        none = told(lab, folder, "age", "--days", "99")
        assert "no run has 128 rows or more in the database and was silent for 99 days" in none
        text = told(lab, folder, "age")
        assert text.startswith(f"aged {(RUNS - 1) * ROWS + RUNS * 200:,} rows of {RUNS} runs: ")
        found = json.loads(told(lab, folder, "age", "--json"))
        assert found == {"runs": 0, "rows": 0, "characters": 0, "bytes": 0}
        assert digest(folder) == before
        assert "server.db: " in told(lab, folder, "compact")
    assert (folder / "server.db").stat().st_size < size / 2
    assert upkeep.verify(folder).problems == []
    assert "brought back" in told(lab, folder, "age", "--back", "--project", "local/p")
    assert "--project: there is no project 'p' here" in told(lab, folder, "age", "--project", "p", code=2)
    assert digest(folder) == before
    with contextlib.closing(sqlite3.connect(folder / "server.db")) as db:
        assert db.execute("SELECT COUNT(*) FROM aged").fetchone()[0] == 0


def test_ageing_that_is_killed_loses_no_row(folder: Path) -> None:
    before = digest(folder)
    command = ["serve", "--dir", str(folder), "age"]
    lived, back = [], False
    for seed in range(2 * KILLS):
        lived.append(kill_at_random([*command, "--back"] if back else command, seed))
        back = not back if lived[-1] else back  # all of it is done: the other way
        assert digest(folder) == before, seed
    assert lived.count(False) >= 3
    subprocess.run([sys.executable, "-m", "launch.cli", *command], check=True, capture_output=True)
    assert digest(folder) == before
    assert upkeep.verify(folder).problems == []
    assert upkeep.prune(folder, older_than=-1.0)[0] >= 0
    assert digest(folder) == before


def test_a_backup_that_is_killed_is_made_whole_by_the_next_one(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    subprocess.run([sys.executable, "-m", "launch.cli", "serve", "--dir", str(folder), "age"], check=True)
    command = ["serve", "--dir", str(folder), "backup", str(target)]
    for seed in range(KILLS):
        kill_at_random(command, seed)
        if (target / "server.db").exists():  # whatever is there under its name can be served
            assert upkeep.verify(target).problems == []
    upkeep.backup(folder, target)
    assert digest(target) == digest(folder)
    assert not list(target.rglob("*.new"))


def test_a_database_from_before_is_written_anew_once(lab: Lab, folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "server.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA auto_vacuum = NONE")
        db.execute("VACUUM")
    before = digest(folder)
    told(lab, folder, "age")
    with served(lab, folder):
        assert "stop the server first (sashiko serve" in told(lab, folder, "compact", code=3)
    size = (folder / "server.db").stat().st_size
    told(lab, folder, "compact")
    assert (folder / "server.db").stat().st_size < size / 2
    with contextlib.closing(sqlite3.connect(folder / "server.db")) as db:
        assert db.execute("PRAGMA auto_vacuum").fetchone()[0] == 2
    assert digest(folder) == before


def test_a_policy_is_told_first_and_then_applied(lab: Lab, folder: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[rule]]\nname = "old"\nprojects = ["local/*"]\nolder_than = "1w"\n')
    text = told(lab, folder, "retain", str(policy))
    assert "nothing was deleted: --apply does it" in text
    assert f" {RUNS} " in text
    answer = json.loads(told(lab, folder, "retain", str(policy), "--apply", "--json"))
    assert (answer["applied"], answer["gone"], answer["rules"][0]["runs"]) == (True, RUNS, RUNS)
    assert " 0 " in told(lab, folder, "retain", str(policy))
    policy.write_text('[[rule]]\nprojects = "p"\n')
    text = told(lab, folder, "retain", str(policy), code=2)
    assert "rule 1: projects" in text
    assert "rule 1: older_than" in text


def test_rows_come_back_only_where_there_is_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["--dir", str(folder), "age"]
    assert CliRunner().invoke(serve.app, command).exit_code == 0
    monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000))
    error = CliRunner().invoke(serve.app, [*command, "--back"]).exception
    assert isinstance(error, TrackerError)
    assert "MB must be free, and 0 MB are: make room, or name a --project; nothing was changed" in str(error)


def test_a_folder_that_was_never_served_is_told(lab: Lab, tmp_path: Path) -> None:
    for command in (["age"], ["compact"], ["retain", str(tmp_path / "policy.toml")]):
        (tmp_path / "policy.toml").write_text('[[rule]]\nprojects = ["*"]\nolder_than = "1w"\n')
        assert "holds no server.db: it was never served" in told(lab, tmp_path / "none", *command, code=1)
