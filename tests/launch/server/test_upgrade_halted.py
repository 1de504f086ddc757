"""A signal to end while a database is copied or migrated: the process ends, and the folder is as it was."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from framework.errors import Interrupted
from launch.server import find_starting, halting
from launch.server.storage import keeping, migrating, open_store
from tests.lab import ROOT
from tests.launch.server.test_upgrade_broken import BEFORE, LATEST, content, old, upgraded

__all__ = ["old"]

ENDS_S = 60.0
CLI = """
import sqlite3, sys, time
from pathlib import Path
from launch.cli import main
from launch.server import halting
from launch.server.storage import keeping, migrating, store
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n;"
{before}
main()
"""
MOMENTS = {
    "copy": """
copy = keeping._copy
def slow(path, fresh, copying):
    copy(path, fresh, copying)
    print("now", flush=True)
    while True:
        time.sleep(0.01)
        copying(0.5)
keeping._copy = slow
""",
    "statement": """
statements = migrating._statements
def endless(script):
    yield from statements(script)
    print("now", flush=True)
    yield ENDLESS
migrating._statements = endless
""",
    "what cannot be interrupted": """
halting.GRACE_S = 0.2
statements, connect = migrating._statements, store.Store._connect
def nap():
    print("now", flush=True)
    time.sleep(600)
def napping(self, *given):
    made = connect(self, *given)
    made.create_function("nap", 0, nap)
    return made
def slow(script):
    yield from statements(script)
    yield "SELECT nap();"
migrating._statements, store.Store._connect = slow, napping
""",
}


class Upgrading:
    """A process that brings a folder up to date and waits there, and what it says until it has ended."""

    def __init__(self, folder: Path, moment: str, *words: str) -> None:
        environment = {
            name: text for name, text in os.environ.items() if not name.startswith(("WANDB", "SASHIKO"))
        }
        command = [sys.executable, "-c", CLI.format(before=MOMENTS[moment]), "serve", "--dir", str(folder), *words]
        self.process = subprocess.Popen(
            command, cwd=folder.parent, env=environment | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "now\n"

    def end(self, number: int) -> tuple[int, str]:
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=ENDS_S)
        return self.process.returncode, said


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"logs", "lock", "api_key", "secret", "server.db-shm"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", ["copy", "statement"])
def test_a_server_ends_and_all_is_as_it_was(old: Path, tmp_path: Path, moment: str, number: int) -> None:
    before, after, there = content(old / "server.db"), upgraded(old, tmp_path), files(old)
    server = Upgrading(old, moment, "--port", "0")
    found = find_starting(old)
    assert found is not None
    assert (found.pid, found.serves) == (server.process.pid, True)
    assert found.doing.startswith(
        {"copy": "copies server.db (0 MB) before it is", "statement": "brings server.db (0 MB) from"}[moment]
    )
    code, said = server.end(number)
    assert code == 0, said
    assert said.endswith(
        f"sashiko: interrupted by signal {int(number)} ({signal.Signals(number).name}) before the server of {old}"
        " answered\n"
    )
    assert content(old / "server.db") == before
    assert find_starting(old) is None
    if moment == "copy":
        assert files(old) - {"server.db-wal"} == there
    else:
        assert content(old / BEFORE / "server.db") == before
    open_store(old / "server.db").close()
    assert content(old / "server.db") == after


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_ends_with_the_signal(old: Path, number: int) -> None:
    before = content(old / "server.db")
    command = Upgrading(old, "statement", "user", "list")
    found = find_starting(old)
    assert found is not None
    assert not found.serves
    code, said = command.end(number)
    assert code == 128 + number
    assert "the same command goes on with what is kept" in said
    assert content(old / "server.db") == before


def test_what_cannot_be_interrupted_ends_all_the_same(old: Path, tmp_path: Path) -> None:
    before, after = content(old / "server.db"), upgraded(old, tmp_path)
    code, _ = Upgrading(old, "what cannot be interrupted", "--port", "0").end(signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    assert find_starting(old) is None  # the file is there, but nobody holds it
    assert content(old / "server.db") == before
    open_store(old / "server.db").close()
    assert content(old / "server.db") == after


def test_handlers_are_as_they_were(old: Path) -> None:
    before = [signal.getsignal(number) for number in halting.NUMBERS]
    open_store(old / "server.db").close()
    assert [signal.getsignal(number) for number in halting.NUMBERS] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_signal_between_two_statements(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, statements = content(old / "server.db"), migrating._statements

    def signalled(script: str) -> object:
        for statement in statements(script):
            yield statement
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(migrating, "_statements", signalled)
    with pytest.raises(Interrupted, match="SIGTERM"):
        open_store(old / "server.db")
    assert content(old / "server.db") == before


def test_a_signal_after_the_last_statement(old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is up to date then, wholly."""
    after, chain = upgraded(old, tmp_path), migrating.chain

    class Signalling:
        @staticmethod
        def from_iterable(scripts: object) -> object:
            yield from chain.from_iterable(scripts)  # type: ignore[arg-type]
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(migrating, "chain", Signalling)
    with pytest.raises(Interrupted, match="SIGTERM"):
        open_store(old / "server.db")
    assert content(old / "server.db") == after


def test_it_is_told_how_much_is_copied(old: Path) -> None:
    told: list[float] = []
    keeping.keep(old / "server.db", LATEST, told.append)
    assert told[0] == 0.0
    assert told[-1] == 1.0
    assert told == sorted(told)


def test_a_copy_that_is_ended_leaves_nothing(old: Path) -> None:
    def ends(done: float) -> None:
        raise Interrupted(signal.SIGTERM)

    with pytest.raises(Interrupted):
        keeping.keep(old / "server.db", LATEST, ends)
    assert not (old / BEFORE).exists()
