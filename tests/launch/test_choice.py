"""A server that brings a large folder up to date is waited for, however long it takes, and can be stopped."""

import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from framework.errors import TrackerError
from launch import choice, doctor
from launch.embedded import find_server, find_starting
from launch.server import starting
from tests.lab import ROOT, own_port
from tests.launch.server.test_upgrade_broken import content, old

__all__ = ["old"]

SLOW = """
import sys, time
from pathlib import Path
from launch.cli import main
from launch.server.storage import keeping
copy = keeping._copy
def slow(path, fresh, copying):
    while not (path.parent.parent / "go").exists():
        copying(0.25)
        time.sleep(0.01)
    copy(path, fresh, copying)
keeping._copy = slow
main()
"""
ENDS_S = 60.0


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Servers that are started copy their database for as long as this file is not there."""
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nshift 3\nexec {sys.executable} -c "$SLOW" "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("SLOW", SLOW)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    begun: list[subprocess.Popen[bytes]] = []

    def begin(*given: Any, **named: Any) -> "subprocess.Popen[bytes]":
        begun.append(subprocess.Popen(*given, **named))
        return begun[-1]

    monkeypatch.setattr(choice, "PORT", own_port())
    monkeypatch.setattr(choice, "sys", SimpleNamespace(executable=str(script)))
    monkeypatch.setattr(choice, "subprocess", SimpleNamespace(Popen=begin, DEVNULL=subprocess.DEVNULL))
    yield tmp_path / "go"
    for server in begun:
        server.terminate()
        server.wait(ENDS_S)


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + ENDS_S
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def copies(folder: Path) -> bool:
    found = find_starting(folder)
    return found is not None and found.doing.startswith("copies")


class Beginning(threading.Thread):
    """A command that needs a server: the server that it gets, or what it says instead."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.pid, self.error = folder, 0, ""
        self.start()

    def run(self) -> None:
        try:
            self.pid = choice.start(self.folder).pid
        except TrackerError as error:
            self.error = str(error)


@pytest.mark.slow
def test_all_wait_for_the_one_that_is_at_work(
    slow: Path, old: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Beginning(old)
    until(lambda: copies(old), "it copies")
    found = find_starting(old)
    assert found is not None
    monkeypatch.setattr(choice, "START_S", 0.0)  # nobody is waited for any more who does not tell what he does
    second = Beginning(old)
    time.sleep(0.5)
    assert first.is_alive()
    assert second.is_alive()
    what = doctor._embedded(old)
    assert what.told.startswith(f"pid {found.pid} copies server.db")
    assert "25% done; until then none answers" in what.told
    slow.touch()
    for command in (first, second):
        command.join(ENDS_S)
        assert (command.pid, command.error) == (found.pid, "")
    said = capsys.readouterr().err.splitlines()
    line = f"waiting: the server of {old} (pid {found.pid}) copies server.db (0 MB) before it is brought from"
    assert [one for one in said if "copies" in one] == [one for one in said if one.startswith(line)]
    assert len([one for one in said if one.startswith(line)]) == 2


@pytest.mark.slow
def test_it_is_stopped_at_work(slow: Path, old: Path) -> None:
    before = content(old / "server.db")
    command = Beginning(old)
    until(lambda: copies(old), "it copies")
    found = find_starting(old)
    assert found is not None
    assert choice.stop(old) == found.pid
    command.join(ENDS_S)
    assert (command.pid, command.error) == (0, f"the embedded server of {old} was stopped before it answered")
    assert content(old / "server.db") == before


def test_a_command_at_work_is_no_server_to_stop(tmp_path: Path) -> None:
    with starting.telling(tmp_path, serves=False) as tell:
        tell("brings server.db from schema 1 to 8")
        with pytest.raises(TrackerError, match=f"runs in {tmp_path}; another command .pid {os.getpid()}. brings"):
            choice.stop(tmp_path)
    with pytest.raises(TrackerError, match=f"no embedded server runs in {tmp_path}$"):
        choice.stop(tmp_path)


# --- how long, without a process -------------------------------------------------------------------------------


class Clock:
    """Time that passes while somebody sleeps, and what happens then."""

    def __init__(self, happens: Callable[[float], None]) -> None:
        self.now, self.happens = 0.0, happens

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += 100 * seconds
        self.happens(self.now)


def test_one_that_does_nothing_any_more_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "server.log").write_text("the last line\n")
    with starting.telling(tmp_path, serves=True) as tell:
        clock = Clock(lambda now: tell("copies", now / 1e4) if now < 2000 else None)
        monkeypatch.setattr(choice, "time", clock)
        monkeypatch.setattr(starting, "EVERY_S", 0.0)
        with pytest.raises(TrackerError, match="does not answer, and nothing that it does can be seen") as told:
            choice.start(tmp_path)
    assert f"kill {os.getpid()}" in str(told.value)
    assert str(told.value).endswith("the last line")
    assert 2000 + choice.STILL_S <= clock.now < 2000 + 2 * choice.STILL_S


def test_what_is_written_to_the_database_is_a_sign(tmp_path: Path) -> None:
    database = tmp_path / "server.db"
    database.touch()
    with starting.telling(tmp_path, serves=True):
        first = find_starting(tmp_path)
        database.write_bytes(b"page")
        second = find_starting(tmp_path)
    assert first is not None
    assert second is not None
    assert first.sign != second.sign


# --- the file --------------------------------------------------------------------------------------------------


def test_one_that_was_left_behind_is_nobody(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from launch.server import starting\n"
        "with starting.telling(Path(sys.argv[1]), serves=True): os._exit(0)"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert (tmp_path / starting.FILE).exists()
    assert find_starting(tmp_path) is None
    with starting.telling(tmp_path, serves=True):
        assert find_starting(tmp_path) is not None
    assert not (tmp_path / starting.FILE).exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pid": "x"}'])
def test_what_cannot_be_read_is_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / starting.FILE).write_text(text)
    with (tmp_path / starting.FILE).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert find_starting(tmp_path) is None


def test_it_tells_at_most_once_a_second_that_it_goes_on(tmp_path: Path) -> None:
    def beats() -> tuple[str, int]:
        found = find_starting(tmp_path)
        assert found is not None
        return found.doing, found.sign[0]

    with starting.telling(tmp_path, serves=False) as tell:
        assert beats() == ("starts", 1)
        for _ in range(10):
            tell()
        assert beats() == ("starts", 1)
        tell("copies", 0.5)
        assert beats() == ("copies", 2)
        found = find_starting(tmp_path)
        assert found is not None
        assert found.told == "copies: 50% done"
        tell("x")
        assert beats() == ("x", 3)


def test_a_server_that_answers_is_found_and_no_longer_starts(old: Path, slow: Path) -> None:
    slow.touch()
    info = choice.start(old)
    assert find_starting(old) is None
    found = find_server(old)
    assert found is not None
    assert found.pid == info.pid
    assert not (old / starting.FILE).exists()


# --- what else can keep a server from starting -----------------------------------------------------------------


def test_what_would_end_at_another_port_as_well_is_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "PORT", own_port())
    (tmp_path / "server.db").write_bytes(b"no database, whatever the port\n" * 40)
    with pytest.raises(TrackerError, match=r"did not start in .*; its log .* ends:\n.*is no database"):
        choice.start(tmp_path)
    assert (tmp_path / "server.log").read_text().count("is no database") == 1


def test_a_full_disk_on_which_no_log_is_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "server.db").write_bytes(b"no database, whatever the port\n" * 40)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=4096))
    with pytest.raises(TrackerError, match=r"did not start in .*; the disk of .* is full: make room there"):
        choice.start(tmp_path)


def test_a_process_that_is_gone_does_not_live() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    waiting = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    until(lambda: not choice._lives(waiting.pid), "it has ended, and nobody has taken notice")
    waiting.wait()
    assert choice._is_zombie(gone.pid)
    assert choice._lives(os.getpid())
