"""A folder that was used with a clock that was years ahead, once the clock is right."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from launch.server import lifecycle, upkeep
from launch.server.app import _expire_once
from launch.server.errors import ApiError
from launch.server.limits import AHEAD_SECONDS, SESSION_SECONDS, ServeOptions
from launch.server.signing import Signer
from launch.server.storage import open_store
from launch.server.storage.users import OWNER
from tests.launch.server.schemas import making
from tests.launch.server.test_login import cookie_of, log_in
from tests.launch.server.test_upgrades import KEY, LATEST, NAMES, Opened, lay_out, told_of

YEARS = 5 * 365 * 86_400.0
NEWEST = max(NAMES)
MOMENTS = ("lease_until", "expires_at")
DAY = 86_400.0


def move_ahead(folder: Path) -> None:
    """Every moment in the database, and the age of every file, as a clock would have noted it that is ahead."""
    now = time.time() + YEARS
    with closing(sqlite3.connect(folder / "server.db")) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in db.execute(f"PRAGMA table_info({table})").fetchall():
                if row[1].endswith("_at") or row[1] in MOMENTS:
                    db.execute(f"UPDATE {table} SET {row[1]} = {row[1]} + ? WHERE {row[1]} > 1", (YEARS,))
        db.execute("UPDATE agents SET heartbeat_at = ?", (now,))
        db.execute("UPDATE runs SET heartbeat_at = ?", (now,))
        db.execute("UPDATE points SET lease_until = ? WHERE state = 'claimed'", (now + 60,))
        db.commit()
    for path in folder.glob("blobs/??/*"):
        os.utime(path, (now, now))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lay_out(NEWEST, tmp_path)
    open_store(tmp_path / "server.db").close()
    move_ahead(tmp_path)
    return tmp_path


@pytest.fixture
def opened(folder: Path) -> Iterator[Opened]:
    made = Opened(folder)
    yield made
    made.services.close()


def state_of(opened: Opened, run: str) -> str:
    query = 'query R($n: String!) { project(name: "first") { run(name: $n) { state } } }'
    return str(opened.owner.ask(query, n=run)["project"]["run"]["state"])


def test_silent_runs_are_lost_a_lease_later_and_their_points_go_on(opened: Opened) -> None:
    told = told_of(NEWEST)
    _expire_once(opened.services)
    assert state_of(opened, told["runs"]["held"]) == "running"  # a whole lease from now
    later = time.time() + ServeOptions().lease_seconds + 1
    with opened.services.store.write() as tables:
        assert lifecycle.expire(tables, later, ServeOptions(), opened.services.clock.awake_since) > 0
    assert state_of(opened, told["runs"]["held"]) == "crashed"
    agent = opened.owner.ask(making.AGENT, e="local", p="first", s=told["sweep"])["createAgent"]["agent"]["id"]
    taken = [making.take(opened.owner, told["sweep"], agent, f"n{number}", 2) for number in range(2)]
    assert len(set(taken)) == 2
    with opened.services.store.read() as tables:
        leases = tables.points._db.execute("SELECT lease_until FROM points WHERE state = 'claimed'").fetchall()
    assert len(leases) == 2
    assert all(row[0] < time.time() + 61 for row in leases)


def test_agents_from_ahead_are_not_at_work(opened: Opened) -> None:
    query = 'query S($n: String!) { project(name: "first") { sweep(sweepName: $n) { agents { edges { node { state'
    told = opened.owner.ask(query + " } } } } } }", n=told_of(NEWEST)["sweep"])
    states = [edge["node"]["state"] for edge in told["project"]["sweep"]["agents"]["edges"]]
    assert states
    assert set(states) == {"CRASHED"}
    with opened.services.store.read() as tables:
        assert tables.agents.active(1, time.time() - 60) == 0


def test_pages_show(opened: Opened) -> None:
    told = told_of(NEWEST)
    reader = cookie_of(log_in(opened.client, KEY))
    for page in ("local/first", f"local/first/runs/{told['runs']['held']}", f"local/first/sweeps/{told['sweep']}"):
        assert opened.client.get(f"/{page}", headers=reader).status_code == 200
        assert opened.client.get(f"/view/{page}", headers=reader).status_code in (200, 404)


def test_sessions_do_not_last_for_years(opened: Opened) -> None:
    reader = cookie_of(log_in(opened.client, KEY))
    assert opened.client.get("/local/first", headers=reader).status_code == 200
    with opened.services.store.write() as tables:
        tables.sessions._db.execute("UPDATE sessions SET expires_at = expires_at + ?", (AHEAD_SECONDS - 10,))
    assert opened.client.get("/local/first", headers=reader).status_code == 200
    with opened.services.store.write() as tables:
        tables.sessions._db.execute("UPDATE sessions SET expires_at = expires_at + 20")
    assert opened.client.get("/local/first", headers=reader).status_code == 303
    with opened.services.store.write() as tables:
        tables.sessions.open("other", OWNER, KEY, SESSION_SECONDS)
        assert tables.sessions._db.execute("SELECT COUNT(*) FROM sessions").fetchone()[0] == 1


def test_signed_addresses_do_not_work_for_years(monkeypatch: pytest.MonkeyPatch) -> None:
    signer, now = Signer(b"secret"), time.time()

    def made(ahead: float) -> dict[str, str]:
        monkeypatch.setattr(time, "time", lambda: now + ahead)
        query = signer.url("", "GET", "/x", 1).partition("?")[2]
        monkeypatch.setattr(time, "time", lambda: now)
        return dict(part.split("=") for part in query.split("&"))

    assert signer.check("GET", "/x", made(0)) == 1
    assert signer.check("GET", "/x", made(AHEAD_SECONDS - 1)) == 1
    with pytest.raises(ApiError, match="expired"):
        signer.check("GET", "/x", made(YEARS))


def test_files_age_from_now_on_and_are_pruned(folder: Path) -> None:
    told = told_of(NEWEST)
    unnamed = folder / "blobs" / "ab" / ("ab" * 32)
    unnamed.parent.mkdir(exist_ok=True)
    unnamed.write_bytes(b"of a version that was deleted")
    ahead = time.time() + YEARS
    os.utime(unnamed, (ahead, ahead))
    assert upkeep.prune(folder) == (0, 0)
    assert -1 < time.time() - unnamed.stat().st_mtime < 100
    for path in folder.glob("blobs/??/*"):
        os.utime(path, (time.time() - 2 * DAY,) * 2)
    files, _ = upkeep.prune(folder)
    assert not unnamed.exists()
    assert files == 2  # and what was sent for the version that was never committed
    assert len(list(folder.glob("blobs/??/*"))) == len(told["blobs"]) - 1
    assert upkeep.verify(folder).problems == []


def test_versions_for_a_time_live_no_shorter(opened: Opened) -> None:
    """They were made in what is the future now: their time is counted from there, and nothing goes too early."""
    _expire_once(opened.services)
    with opened.services.store.read() as tables:
        made = tables.artifacts._db.execute("SELECT state FROM artifacts WHERE ttl > 0").fetchall()
    assert [row[0] for row in made] == ["COMMITTED"]
    assert int(NEWEST[0]) <= LATEST
