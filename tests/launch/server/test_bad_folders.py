"""Folders that cannot be served: each command says in one line what is wrong and what to do; nothing changes."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from framework.errors import TrackerError
from launch import choice
from launch.server import find_server, mounts, upkeep
from launch.server.storage import open_store
from tests.lab import ROOT
from tests.launch.server.test_full_disk import small
from tests.launch.server.test_mounts import LISTED

__all__ = ["small"]

pytestmark = pytest.mark.slow

SERVE = ("--port", "0")
WRITES = (SERVE, ("user", "add", "north"), ("quota", "local", "--runs", "1"))
READS = (("user", "list"), ("usage",))
LOOKS = (("verify",), ("prune",))
NOBODY = 65_534
CLI = """
import sys
from pathlib import Path
from launch.server import instance, mounts
from launch.cli import main
{before}
main()
"""


def told(folder: Path, *words: str, user: int | None = None, before: str = "pass") -> str:
    """What a command says that cannot do what it is to do: one line."""
    command = [sys.executable, "-c", CLI.format(before=before), "serve", "--dir", str(folder), *words]
    if user is not None:
        command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("WANDB", "SASHIKO"))}
    done = subprocess.run(
        command, cwd=next(place for place in folder.parents if place.is_dir()),
        env=environment | {"PYTHONPATH": str(ROOT), "HOME": str(folder.parent)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode in (1, 2, 3), done.stdout + done.stderr
    assert done.stderr.startswith("sashiko: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but its logs."""
    files = (path for path in folder.rglob("*") if path.is_file() and "logs" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that has been served."""
    made = tmp_path / "state"
    (made / "blobs" / "ab").mkdir(parents=True)
    (made / "blobs" / "ab" / ("ab" * 32)).write_bytes(b"something")
    (made / "port").write_text("8765\n")
    store = open_store(made / "server.db")
    with store.write() as tables:
        project = tables.projects.make("p")[0]["id"]
        for number in range(300):
            tables.runs.add(
                project, f"r{number}", display_name="r", state="finished", config=json.dumps({"x": "y" * 500})
            )
    store.close()
    return made


def test_a_file(tmp_path: Path) -> None:
    place = tmp_path / "state"
    place.write_text("a file")
    for words in (SERVE, ("user", "list")):
        assert "is a file: name a folder with --dir" in told(place, *words)
    for words in LOOKS:
        assert "holds no server.db: it was never served" in told(place, *words)
    assert place.read_text() == "a file"


def test_a_command_that_would_start_a_server_says_so_too(tmp_path: Path) -> None:
    place = tmp_path / "state"
    place.write_text("a file")
    with pytest.raises(TrackerError, match=rf"needs the folder {place}, which cannot be written \(file exists\)"):
        choice.start(place)


def test_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    for words in (SERVE, ("user", "list")):
        assert "not a directory: mend that, or serve another folder" in told(tmp_path / "file" / "state", *words)


BROKEN = {
    "text": "is no database: restore the folder from a backup",
    "empty": "is empty, and the folder has been served: restore the folder from a backup",
    "cut": "is cut off: 40,000 of ",
    "half a header": "is no database: restore the folder from a backup",
    "damaged": "is damaged (",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_database_that_is_none(folder: Path, tmp_path: Path, kind: str) -> None:
    database = folder / "server.db"
    whole = database.read_bytes()
    noise = bytes(range(1, 200)) * len(whole)
    database.write_bytes(
        {
            "text": b"this is a text " * 1000, "empty": b"", "cut": whole[:40_000], "half a header": whole[:50],
            "damaged": whole[:100] + noise[: len(whole) - 100],
        }[kind]
    )  # fmt: skip
    before = content(folder)
    hurt = kind in ("cut", "damaged")
    for words in (SERVE, ("user", "list"), *LOOKS, ("backup", str(tmp_path / "copy"))):
        if hurt and words == ("verify",):
            continue  # it says more, below
        said = told(folder, *words)
        assert BROKEN[kind] in said, words
        assert ("verify` says; restore the folder from a backup" in said) == hurt
    if hurt:
        problems = upkeep.verify(folder).problems
        assert problems[0].startswith("server.db is cut off: 40,000 of " if kind == "cut" else "server.db: ")
        assert any("can be read" in problem for problem in problems)
        assert any(problem.startswith("to go on: stop its server, and restore") for problem in problems)
    after = content(folder)
    assert {name: after[name] for name in before} == before


def test_a_database_that_was_about_to_be_made_is_made(tmp_path: Path) -> None:
    (tmp_path / "server.db").touch()
    store = open_store(tmp_path / "server.db")
    store.close()
    assert (tmp_path / "server.db").stat().st_size > 0


def another_user() -> None:
    if os.geteuid() or shutil.which("setpriv") is None:
        pytest.skip("to be another user needs root and setpriv")
    command = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", sys.executable, "-c", "import starlette"]
    if subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=False).returncode:
        pytest.skip("another user cannot run this Python")


@pytest.fixture
def shared(folder: Path) -> Iterator[Path]:
    """The folder, in a place that everybody may go to (which pytest's own folders are not)."""
    another_user()
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o711)
        shutil.copytree(folder, Path(place) / "state")
        yield Path(place) / "state"


def test_below_what_cannot_be_entered(shared: Path) -> None:
    shared.parent.chmod(0o700)
    for words in (SERVE, ("user", "list"), *LOOKS):
        assert "belongs to user root, and this is nobody: run this as root" in told(shared, *words, user=NOBODY)


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o777])
def test_another_users_folder(shared: Path, mode: int) -> None:
    shared.chmod(mode)
    before = content(shared)
    for words in (*WRITES, *READS, *LOOKS) if mode == 0o700 else (SERVE, ("user", "list")):
        said = told(shared, *words, user=NOBODY)
        assert "belongs to user root, and this is nobody: run this as root, give the folder away (chown" in said
    assert content(shared) == before


def test_files_that_only_another_user_may_write(shared: Path) -> None:
    """It can all be read, but nothing could be uploaded."""
    for path in (shared, *shared.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.chown(shared / "blobs", 0, 0)
    (shared / "blobs").chmod(0o755)
    assert f"{shared / 'blobs'} belongs to user root, and this is nobody" in told(shared, *SERVE, user=NOBODY)


@pytest.mark.parametrize("name", ["server.db", "api_key", "lock", "blobs"])
def test_one_thing_in_it_is_another_users(shared: Path, name: str) -> None:
    (shared / "api_key").write_text("k" * 40)
    (shared / "lock").touch()
    for path in (shared, *shared.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    place = shared / name
    os.chown(place, 0, 0)
    place.chmod(0o700 if place.is_dir() else 0o600)
    said = told(shared, *SERVE, user=NOBODY)
    assert str(place) in said
    assert f"{place} belongs to user root, and this is nobody" in said
    if name == "server.db":
        for words in (*READS, *LOOKS, ("backup", str(shared.parent / "copy"))):
            assert f"{place} belongs to user root, and this is nobody" in told(shared, *words, user=NOBODY)


def test_a_read_only_file_system(folder: Path, small: Path) -> None:
    shutil.copytree(folder, small / "state")
    policy = folder.parent / "policy.toml"
    policy.write_text('[[rule]]\nprojects = ["*"]\nolder_than = "1h"\n')
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    for words in (*WRITES, *READS):
        assert "read-only file system: mount it for writing (mount -o remount,rw)" in told(small / "state", *words)
    copy = ("backup", str(folder.parent / "copy"))
    for words in (*LOOKS, copy, ("age",), ("compact",), ("retain", str(policy), "--apply")):
        said = told(small / "state", *words)
        assert "read-only: mount it for writing" in said or "read-only file system: mount it" in said
        assert "chmod" not in said
    subprocess.run(["mount", "-o", "remount,rw", str(small)], check=True)


def fill(place: Path) -> None:
    with (place / "ballast").open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue


def test_a_full_disk(folder: Path, small: Path) -> None:
    shutil.copytree(folder, small / "state")
    fill(small)
    for words in (*WRITES, *READS):
        assert "no space left on device: make room on the disk, or lift" in told(small / "state", *words)
    said = told(folder, "backup", str(small / "copy"))
    assert "disk is full" in said or "no space left on device" in said
    assert str(small / "copy") in said
    (small / "ballast").unlink()
    assert content(small / "state") | content(folder) == content(small / "state")


@pytest.mark.parametrize("limit", [2_000, 40_000, 200_000])
def test_a_limit_on_the_size_of_files(tmp_path: Path, limit: int) -> None:
    before = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    for words in (("user", "add", "north"), SERVE):
        assert "ulimit -f" in told(tmp_path / "state", *words, before=before)
    serves(tmp_path / "state")


def test_a_server_of_another_user_is_not_stopped(shared: Path) -> None:
    process = started(shared)
    try:
        for path in (shared, *shared.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        said = told(shared, "--stop", user=NOBODY)
        assert f"(pid {process.pid}) is another user's, who alone can stop it" in said
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def test_a_network_file_system(folder: Path, tmp_path: Path) -> None:
    listed = tmp_path / "mountinfo"
    listed.write_text(LISTED + f"46 22 0:51 / {folder} rw - nfs4 fileserver:/x rw\n")
    before = f"mounts.check.__defaults__ = (Path({str(listed)!r}),)"
    for words in (*WRITES, *READS):
        said = told(folder, *words, before=before)
        assert "is on a network file system (nfs4)" in said
        assert "serve a folder on a disk of this machine (--dir" in said
    assert mounts.kind_of(folder, listed) == "nfs4"


HOLDS = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


def test_a_lock_goes_with_its_process(folder: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder / "lock")], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    short = "instance.ANSWERS_S = 0.2"
    assert f"another server already serves {folder}" in told(folder, *SERVE, before=short)
    holder.kill()
    holder.communicate()
    assert (folder / "lock").exists()
    serves(folder)


def started(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-m", "launch.cli", "serve", "--dir", str(folder), "--port", "0"],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith(f"serving {folder} at")
    return process


def serves(folder: Path) -> None:
    """It starts, is found, and ends."""
    process = started(folder)
    found = find_server(folder)
    assert found is not None
    assert found.pid == process.pid
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("owner", ["dead", "another program", "another server"])
def test_a_state_file_that_was_left_is_no_server(folder: Path, owner: str) -> None:
    """Its process is dead, or its number is another program's now; or its port is another folder's server's."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    pid = ended.pid if owner == "dead" else os.getpid()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        if owner != "another server":
            other.close()
        url = f"http://127.0.0.1:{port}"
        (folder / "api_key").write_text("k" * 40 + "\n")
        (folder / "server.json").write_text(json.dumps({"url": url, "socket": url, "port": port, "pid": pid}))
        assert find_server(folder) is None
        serves(folder)
    assert not (folder / "server.json").exists()


def test_the_database_is_sound_after_all_that(folder: Path) -> None:
    serves(folder)
    with closing(sqlite3.connect(folder / "server.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT COUNT(*) FROM runs").fetchone() == (300,)
