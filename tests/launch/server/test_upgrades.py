"""A folder of each schema that ever landed opens with the newest code, tells what it told before, and goes on.

The dumps in `schemas` were made by the servers of their time (`schemas/making.py`), which were asked there and
then. Their names are the number of the schema; a letter tells editions of a step that was edited after it had
landed.
"""

import base64
import fcntl
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from launch.server import upkeep
from launch.server.app import make_app
from launch.server.limits import ServeOptions
from launch.server.request import Services
from launch.server.storage import SCHEMA, SchemaError, open_store
from launch.server.storage.store import latest_of, migrate
from tests.launch.server.asgi import Client
from tests.launch.server.schemas import making
from tests.launch.server.schemas.asking import Asker
from tests.launch.server.test_login import cookie_of, log_in

SCHEMAS = Path(__file__).parent / "schemas"
NAMES = sorted(path.stem for path in SCHEMAS.glob("*.sql"))
LATEST = latest_of(SCHEMA)
KEY = "0" * 40
EDITIONS = [name for name in NAMES if len(name) > 1]
OLD = [name for name in NAMES if name in EDITIONS or int(name) < LATEST]


def told_of(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text())
    return told


def lay_out(name: str, folder: Path) -> Path:
    """The folder as the old server left it; its database."""
    for digest, text in told_of(name)["blobs"].items():
        path = folder / "blobs" / digest[:2] / digest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(text))
    with closing(sqlite3.connect(folder / "server.db")) as db:
        db.executescript((SCHEMAS / f"{name}.sql").read_text())
    return folder / "server.db"


def connected(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "server.db")


def columns(db: sqlite3.Connection) -> dict[str, set[tuple[object, ...]]]:
    """What each table and index has, whatever its order."""
    names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: {row[1:] for row in db.execute(f"PRAGMA table_xinfo({name})")} for name in names}
    return found | {"": set(db.execute("SELECT name, tbl_name FROM sqlite_master"))}


def content(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [str(db.execute("PRAGMA user_version").fetchone()[0]), *db.iterdump()]


def in_order(told: dict[str, Any]) -> dict[str, Any]:
    """The first version told artifacts in the order of their making, all others by name."""
    for answer in told.values():
        for kind in answer["project"].get("artifactTypes", {}).get("edges", ()):
            kind["node"]["artifactCollections"]["edges"].sort(key=lambda edge: edge["node"]["name"])
    return told


class Opened:
    """A folder that the newest code has opened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.services = Services.open(folder, KEY, b"secret", ServeOptions())
        self.client = Client(make_app(self.services))
        self.owner = self.asker(KEY)

    def asker(self, key: str) -> Asker:
        return Asker(self._send, key)

    def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        reply = self.client.request(method, path, content=body, headers=headers)
        return reply.status_code, reply.content


@pytest.fixture(params=NAMES, scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def opened(name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """One for all that only look."""
    folder = tmp_path_factory.mktemp("opened")
    lay_out(name, folder)
    made = Opened(folder)
    yield made
    made.services.close()


def test_there_is_a_folder_of_each_schema_that_landed() -> None:
    """2 and 3 came with 4. A new step needs a dump of the schema before it: see `schemas/making.py`."""
    assert {int(name[0]) for name in NAMES} >= {1, *range(4, LATEST)}


def test_it_tells_what_it_told_before(name: str, opened: Opened) -> None:
    expected = told_of(name)
    assert in_order(opened.owner.told(expected["projects"])) == in_order(expected["told"])


def test_people_see_what_they_saw(name: str, opened: Opened) -> None:
    expected = told_of(name)
    for user, key in expected["keys"].items():
        assert opened.asker(key).sees(expected["projects"]) == expected["seen"][user]


def test_points_are_held_and_open_as_before(name: str, opened: Opened) -> None:
    sql = "SELECT sweep_id, idx, args, state, run_id, agent_id, lease_until, resume FROM points ORDER BY 1, 2"
    with closing(sqlite3.connect(":memory:")) as old, closing(connected(opened.folder)) as new:
        old.executescript((SCHEMAS / f"{name}.sql").read_text())
        points = old.execute(sql).fetchall()
        assert new.execute(sql).fetchall() == points
    assert {point[3] for point in points} == {"pending", "claimed", "ended"}


def test_the_database_is_sound_and_as_a_fresh_one(opened: Opened) -> None:
    with closing(connected(opened.folder)) as db, closing(sqlite3.connect(":memory:")) as fresh:
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        migrate(fresh, SCHEMA)
        query = (
            "SELECT type, name, replace(replace(replace(sql, '\"', ''), ' ', ''), char(10), '') FROM sqlite_master"
            " ORDER BY type, name"
        )
        assert db.execute(query).fetchall() == fresh.execute(query).fetchall()
    assert upkeep.verify(opened.folder).problems == []


def test_work_goes_on(name: str, tmp_path: Path) -> None:
    lay_out(name, tmp_path)
    opened = Opened(tmp_path)
    try:
        go_on(opened, told_of(name))
    finally:
        opened.services.close()
    assert upkeep.verify(tmp_path).problems == []


def go_on(opened: Opened, told: dict[str, Any]) -> None:
    """A preempted run goes on, a point is claimed anew, a run that lived ends, an artifact gets a version."""
    who = opened.owner
    runs = told["runs"]
    with opened.services.store.write() as tables:
        tables.points.grant(2e9)  # as the server does when it has been away
    sweep = told["sweep"]
    agent = who.ask(making.AGENT, e="local", p="first", s=sweep)["createAgent"]["agent"]["id"]
    first = making.take(who, sweep, agent, "further", 3)
    assert first == runs["preempted"]  # goes on, before anything new is begun
    making.ends(who, "local", "first", first, 0)
    second = making.take(who, sweep, agent, "new", 3)
    assert second not in runs.values()
    making.streams(who, "local", "first", runs["held"], 140, 5.0)
    making.ends(who, "local", "first", runs["held"], 0)
    making.version(who, ("local", "first"), second, "set", {"w.bin": b"weights three", "same.txt": b"same"})
    making.version(who, ("local", "first"), second, "half", {"h.txt": b"whole now"})
    answers = who.told([("local", "first")])
    nodes = {
        edge["node"]["name"]: edge["node"] for edge in answers["local/first runs"]["project"]["runs"]["edges"]
    }
    assert {nodes[run]["state"] for run in (first, runs["held"])} == {"finished"}
    assert (nodes[runs["held"]]["historyLineCount"], nodes[second]["historyLineCount"]) == (141, 4)
    made = [edge["node"]["versionIndex"] for edge in nodes[second]["outputArtifacts"]["edges"]]
    assert made == [2, 0]


def test_its_pages_show_it(name: str, opened: Opened) -> None:
    told = told_of(name)
    run = told["runs"]["finished"]
    reader = cookie_of(log_in(opened.client, KEY))
    for page in ("local/first", f"local/first/runs/{run}", f"local/first/sweeps/{told['sweep']}", "north/own"):
        if page.startswith("north") and not told["keys"]:
            continue
        reply = opened.client.get(f"/{page}", headers=reader)
        assert reply.status_code == 200, page
    with opened.services.store.read() as tables:
        listed = {row["name"]: row["bytes"] for row in tables.usage.listed()}
    assert listed["local"] > 0


def test_a_later_step_does_not_hide_what_an_edited_one_lacks(tmp_path: Path) -> None:
    """The second edition of step 7 came after the first had landed; who took 8 on the first one lacks columns."""
    database = lay_out("7b", tmp_path)
    with closing(sqlite3.connect(database)) as db, closing(sqlite3.connect(":memory:")) as fresh:
        for steps in SCHEMA:
            db.executescript(steps.get(8, ""))
        db.execute("PRAGMA user_version = 8")
        db.commit()
        migrate(fresh, SCHEMA)
        assert columns(db) != columns(fresh)
        open_store(database).close()
        assert columns(db) == columns(fresh)
    opened = Opened(tmp_path)
    expected = told_of("7b")
    assert in_order(opened.owner.told(expected["projects"])) == in_order(expected["told"])
    opened.services.close()


# --- the copy from before --------------------------------------------------------------------------------------


@pytest.mark.parametrize("old", OLD)
def test_a_copy_is_kept_and_leads_back(old: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = lay_out(old, tmp_path)
    before = content(database)
    open_store(database).close()
    kept = tmp_path / f"before-schema-{LATEST}" / "server.db"
    assert content(kept) == before
    assert [path.name for path in kept.parent.iterdir()] == ["server.db"]
    assert (kept.parent.stat().st_mode & 0o777, kept.stat().st_mode & 0o777) == (0o700, 0o600)
    said = capsys.readouterr().err
    assert f"from schema {old[0]} to {LATEST}; as it was it is kept in {kept}. To go back" in said
    assert said.count("\n") == 1
    kept.replace(database)  # as it says
    assert content(database) == before


def test_who_has_gone_back_gets_a_new_copy(tmp_path: Path) -> None:
    database = lay_out("7", tmp_path)
    open_store(database).close()
    (tmp_path / f"before-schema-{LATEST}" / "server.db").replace(database)
    with closing(connected(tmp_path)) as db:  # the older Sashiko works on
        db.execute("UPDATE runs SET notes = 'since then'")
        db.commit()
    before = content(database)
    open_store(database).close()
    assert content(tmp_path / f"before-schema-{LATEST}" / "server.db") == before


def test_a_current_database_and_a_new_one_are_not_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        open_store(tmp_path / "server.db").close()
    assert [path.name for path in tmp_path.iterdir()] == ["server.db"]
    assert capsys.readouterr().err == ""


def test_a_server_of_the_older_version_is_not_migrated_under(tmp_path: Path) -> None:
    database = lay_out("7", tmp_path)
    before = content(database)
    with (tmp_path / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(SchemaError, match="stop that one first"):
            open_store(database)
    assert content(database) == before
    open_store(database).close()
