"""sashiko serve: users, keys, backups and checks from the command line."""

import re
import sqlite3
from pathlib import Path

import pytest
from starlette.routing import Route
from typer.testing import CliRunner

from framework.errors import TrackerError
from launch import serve
from launch.serve import RESERVED
from launch.server.app import routes
from tests.lab import Lab, own_port

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


def told(lab: Lab, folder: Path, *words: str, code: int = 0) -> str:
    done = lab.sashiko("serve", "--dir", str(folder), *words)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


def key_in(text: str) -> str:
    found = re.search(r"shown this once: (\w{40})\n", text)
    assert found, text
    return found[1]


def test_a_server_for_others_needs_a_user_first(lab: Lab, folder: Path):
    for place in (["--host", "0.0.0.0"], ["--url", "https://wandb.lab.example"]):
        assert "no users yet: add one with `sashiko serve" in told(lab, folder, *place, "--port", "0", code=1)
    assert "--certificate: TLS needs both" in told(lab, folder, "--certificate", __file__, code=2)


def test_users_come_and_go(lab: Lab, folder: Path):
    assert told(lab, folder, "user", "list") == "no users yet: sashiko serve user add NAME\n"
    key = key_in(told(lab, folder, "user", "add", "north"))
    further = key_in(told(lab, folder, "user", "key", "north", "--read-only"))
    assert key != further
    listed = told(lab, folder, "user", "list")
    assert "north" in listed
    assert f"{further[-4:]} (read only)" in listed
    assert key not in (folder / "server.db").read_bytes().decode(errors="replace")
    assert "there is a user north already" in told(lab, folder, "user", "add", "north", code=3)
    assert "there is no user 'south'; users: north" in told(lab, folder, "user", "revoke", "south", code=3)
    for bad in ("a/b", "graphql", "", "local"):
        assert "NAME: must be letters" in told(lab, folder, "user", "add", bad, code=2)
    assert told(lab, folder, "user", "revoke", "north", further[-4:]) == "user north: 1 key taken back\n"
    assert told(lab, folder, "user", "revoke", "north") == "user north: 1 key taken back\n"
    assert "there is no project north/p" in told(lab, folder, "user", "share", "north/p", "north", code=3)


def test_users_are_listed_while_somebody_writes(lab: Lab, folder: Path):
    told(lab, folder, "user", "add", "north")
    db = sqlite3.connect(folder / "server.db", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    assert "north" in told(lab, folder, "user", "list")
    db.close()


def test_users_are_not_changed_while_another_process_holds_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("launch.server.storage.store.BUSY_SECONDS", 0.1)
    command = ["--dir", str(tmp_path), "user", "add"]
    assert CliRunner().invoke(serve.app, [*command, "north"]).exit_code == 0
    db = sqlite3.connect(tmp_path / "server.db", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    error = CliRunner().invoke(serve.app, [*command, "south"]).exception
    db.close()
    assert isinstance(error, TrackerError)
    assert str(error) == f"the database of {tmp_path} was in use for 0 s: try again"


def test_backup_and_verify(lab: Lab, folder: Path, tmp_path: Path):
    assert "was never served" in told(lab, folder, "verify", code=1)
    told(lab, folder, "user", "add", "north")
    assert told(lab, folder, "verify").endswith("all digests, sizes and rows are right\n")
    assert "backed up" in told(lab, folder, "backup", str(tmp_path / "copy"))
    assert "north" in told(lab, tmp_path / "copy", "user", "list")
    assert told(lab, folder, "prune") == "deleted 0 files (0.0 MB)\n"
    db = sqlite3.connect(folder / "server.db")
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute("INSERT INTO members VALUES (99, 1, 'read')")
    db.commit()
    db.close()
    assert "names a row of projects that is gone" in told(lab, folder, "verify", code=1)


def test_usage_and_quotas(lab: Lab, folder: Path):
    told(lab, folder, "user", "add", "north")
    assert told(lab, folder, "quota", "north", "--runs", "10000") == (
        "north may keep 10,000 runs and any number of bytes\n"
    )
    assert told(lab, folder, "quota", "north", "--bytes", "1.5 TB") == "north may keep 10,000 runs and 1.5 TB\n"
    listed = told(lab, folder, "usage")
    assert re.search(r"^north +0 of 10,000 +0 B +0 B +0 B +0 B +0 B of 1\.5 TB$", listed, re.MULTILINE)
    assert re.search(r"^local +0 +0 B", listed, re.MULTILINE)
    assert told(lab, folder, "quota", "north", "--runs", "none", "--bytes", "none") == (
        "north may keep any number of runs and any number of bytes\n"
    )
    assert "--bytes: must be a number such as 10000, 50GB" in told(
        lab, folder, "quota", "north", "--bytes", "x", code=2
    )
    assert "there is no user 'south'" in told(lab, folder, "quota", "south", "--runs", "1", code=3)


def test_a_folder_is_served_where_it_was_unless_a_port_is_named(lab: Lab, folder: Path):
    ports = (str(own_port()), str(own_port()))
    for words, port in ((("--port", ports[0]), ports[0]), ((), ports[0]), (("--port", ports[1]), ports[1])):
        server = lab.start("launch.cli", "serve", "--dir", str(folder), *words)
        try:
            assert server.stdout is not None
            assert f"(listening on port {port})" in server.stdout.readline()
        finally:
            server.terminate()
            server.communicate(timeout=30)


def test_no_user_is_called_like_an_address_of_the_server() -> None:
    """A page's address begins with a user's name: what the server itself answers there would stand in its way."""
    firsts = {route.path.split("/")[1] for route in routes() if isinstance(route, Route)}
    own = {word for word in firsts if word and not word.startswith("{")}
    assert {word.lower() for word in own} - RESERVED == set()
